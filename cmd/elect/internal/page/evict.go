// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package page

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/survey"
	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/visible"
)

// tokenHeader is how the page brings the token that it was given. No other site's
// page can read the token, nor send this header.
const tokenHeader = "X-Elect-Token"

// evict takes a candidate out of its queue.
func (s *Server) evict(w http.ResponseWriter, r *http.Request) {
	if err := s.mayEvict(r); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	var request struct {
		ID  string `json:"id"`
		Rev int64  `json:"rev"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&request); err != nil {
		http.Error(w, "the request is no JSON: "+err.Error(), http.StatusBadRequest)
		return
	}
	key, err := base64.RawURLEncoding.DecodeString(request.ID)
	if err != nil {
		http.Error(w, "the request's id is none that this server gave", http.StatusBadRequest)
		return
	}
	// Only who is shown can be evicted, whatever else is in etcd.
	c, ok := s.state.candidate(string(key), request.Rev)
	if !ok {
		http.Error(w, "gone already: this candidate is not in the queue any more", http.StatusConflict)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	evicted, err := survey.Evict(ctx, s.cfg.Client, c)
	switch {
	case err != nil:
		s.cfg.Logger.Warn("evict: no answer", "key", c.Key, "revision", c.Rev, "error", err, "browser", r.RemoteAddr)
		http.Error(w, "etcd gave no answer; look whether the candidate is gone: "+visible.Clip(err.Error(), maxValue), http.StatusBadGateway)
	case !evicted:
		http.Error(w, "gone already: this candidate is not in the queue any more", http.StatusConflict)
	default:
		s.cfg.Logger.Info("evicted", "key", c.Key, "value", c.Value, "revision", c.Rev, "browser", r.RemoteAddr)
		w.WriteHeader(http.StatusNoContent)
	}
}

// mayEvict returns why a request may not evict: the page is read-only, or the
// request is not from this page.
func (s *Server) mayEvict(r *http.Request) error {
	if !s.cfg.AllowEvict {
		return errors.New("this page is read-only: start elect serve with --allow-evict to evict")
	}
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		return errors.New("refused: the request comes from another site")
	}
	// The check lets pass what is no browser's; a browser always says where a POST
	// comes from.
	if origin, err := url.Parse(r.Header.Get("Origin")); err != nil || origin.Host == "" || origin.Host != r.Host {
		return errors.New("refused: the request does not come from this page")
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return errors.New("refused: the request is not the page's")
	}
	if subtle.ConstantTimeCompare([]byte(r.Header.Get(tokenHeader)), []byte(s.token)) != 1 {
		return errors.New("refused: the page is older than its server; reload it")
	}
	return nil
}
