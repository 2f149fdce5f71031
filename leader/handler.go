// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// Handler returns a handler that answers GET and HEAD with the status as JSON:
// with 200 if the Runner is healthy, as [Status.Health] has it, and else with
// 503, and why in the field "problem". With the query leader=1 it answers with 200
// only while the Runner leads, for a load balancer that shall find the leader.
//
// It asks etcd nothing, and so answers fast also when etcd does not.
func (r *Runner) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodGet && req.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		s := r.Status()
		code := http.StatusOK
		if s.Health() != nil {
			code = http.StatusServiceUnavailable
		}
		if q := req.URL.Query().Get("leader"); q != "" {
			wanted, err := strconv.ParseBool(q)
			if err != nil {
				http.Error(w, "the query is leader=1 or leader=0", http.StatusBadRequest)
				return
			}
			if wanted && s.State != StateLeading {
				code = http.StatusServiceUnavailable
				if s.problem == nil {
					s.problem = notLeading(s)
				}
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(s) // fails only when the client is gone
	})
}
