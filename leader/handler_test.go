// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-da5263fb/concurrency/leader"
)

// ask returns what the handler answers.
func ask(r *runner, method, target string) (int, map[string]any) {
	rec := httptest.NewRecorder()
	r.Handler().ServeHTTP(rec, httptest.NewRequest(method, target, nil))
	body := make(map[string]any)
	_ = json.Unmarshal(rec.Body.Bytes(), &body)
	return rec.Code, body
}

func TestHandler(t *testing.T) {
	inBubble(t, func(w *world) {
		a := w.start("a")
		a.requireState(leader.StateLeading, time.Second)
		b := w.start("b")
		b.requireState(leader.StateQueued, time.Second)
		time.Sleep(time.Second)

		code, body := ask(a, http.MethodGet, "/?leader=1")
		require.Equal(w, http.StatusOK, code)
		require.Equal(w, "leading", body["state"])
		require.Equal(w, true, body["leading"])
		require.Equal(w, true, body["healthy"])
		require.EqualValues(w, a.Status().Term.Rev(), body["term"])
		require.EqualValues(w, 2, body["candidates"])
		require.Equal(w, "a", body["leader"].(map[string]any)["value"])
		require.Greater(w, body["leaseLeftSeconds"], 5.0)

		code, body = ask(b, http.MethodGet, "/")
		require.Equal(w, http.StatusOK, code)
		require.Equal(w, "queued", body["state"])
		require.EqualValues(w, 2, body["place"])
		code, body = ask(b, http.MethodGet, "/?leader=1")
		require.Equal(w, http.StatusServiceUnavailable, code)
		require.Equal(w, `queued; "a" leads`, body["problem"])
		code, _ = ask(b, http.MethodGet, "/?leader=0")
		require.Equal(w, http.StatusOK, code)
		code, _ = ask(b, http.MethodGet, "/?leader=perhaps")
		require.Equal(w, http.StatusBadRequest, code)
		code, _ = ask(b, http.MethodHead, "/")
		require.Equal(w, http.StatusOK, code)
		code, _ = ask(b, http.MethodPost, "/")
		require.Equal(w, http.StatusMethodNotAllowed, code)

		w.etcd.Link("b").Swallow()
		time.Sleep(2 * ttl)
		code, body = ask(b, http.MethodGet, "/")
		require.Equal(w, http.StatusServiceUnavailable, code)
		require.Equal(w, "connecting", body["state"])
		require.NotEmpty(w, body["problem"])
		require.NotEmpty(w, body["lastError"])

		a.stop()
		a.requireEnd(time.Second)
		code, body = ask(a, http.MethodGet, "/")
		require.Equal(w, http.StatusServiceUnavailable, code)
		require.Equal(w, "not running", body["problem"])

		b.stop()
		w.etcd.Link("b").Heal()
		time.Sleep(2 * ttl) // until nobody's key is left
		a.Pause()
		a.run().requireState(leader.StatePaused, time.Second)
		time.Sleep(time.Second)
		code, _ = ask(a, http.MethodGet, "/")
		require.Equal(w, http.StatusOK, code)
		code, body = ask(a, http.MethodGet, "/?leader=1")
		require.Equal(w, http.StatusServiceUnavailable, code)
		require.Equal(w, "paused; nobody is known to lead", body["problem"])
	})
}
