// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package page

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/visible"
)

const (
	// pace is how often a browser is told of changes at most.
	pace = 100 * time.Millisecond
	// beat is how often it is told that there were none, so that it notices when the
	// connection is dead.
	beat = 5 * time.Second
	// slow is how long a browser may take to read what it is told. One that takes
	// longer is let go, and connects again if it is still there.
	slow = 10 * time.Second
)

// stream tells a browser of all elections, and then of changes, until it or the
// server ends.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		http.Error(w, fmt.Sprintf("%d browsers follow already; close some", maxStreams), http.StatusServiceUnavailable)
		return
	}
	wake, unfollow := s.state.follow()
	defer unfollow()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // for proxies that would hold events back
	out := events{w, http.NewResponseController(w)}
	// The bound on how long a request may take to arrive would end it when it is over.
	if err := out.control.SetReadDeadline(time.Time{}); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := hello{Epoch: s.epoch, Begun: s.state.begun.UnixMilli()}
	if s.cfg.Prefix != "" {
		h.Prefix = visible.Clip(s.cfg.Prefix, maxValue)
	}
	if s.cfg.AllowEvict {
		h.Token = s.token
	}
	if out.send("hello", h) != nil {
		return
	}
	beats := time.NewTicker(beat)
	defer beats.Stop()
	for version := int64(0); ; {
		f, now := s.state.since(version)
		version = now
		if f == nil {
			f = &frame{Now: s.state.now().UnixMilli()}
		}
		if out.send("frame", f) != nil || pause(r.Context(), pace) != nil {
			return
		}
		select {
		case <-wake:
		case <-beats.C:
		case <-r.Context().Done():
			return
		}
	}
}

// events writes server-sent events.
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// send writes an event, and waits until the system has taken it.
func (e events) send(event string, data any) error {
	text, err := json.Marshal(data) // on one line, as an event's data has to be
	if err != nil {
		panic("bug: an event that is no JSON: " + err.Error())
	}
	if err := e.control.SetWriteDeadline(time.Now().Add(slow)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(e.w, "event: %s\ndata: %s\n\n", event, text); err != nil {
		return err
	}
	return e.control.Flush()
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
