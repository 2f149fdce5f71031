// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package demo

import (
	"fmt"
	"slices"
	"strings"
)

// status returns the live line: who leads, for how long its lease is good, and
// who else is there.
func (s *show) status() string {
	now := s.rec.now()
	s.rec.mu.Lock()
	leader := s.rec.reigningLocked()
	var in []string
	for _, st := range s.rec.stays {
		if !st.over {
			in = append(in, st.who)
		}
	}
	var done cause
	if n := len(s.rec.removals); leader != nil && n > 0 {
		if r := s.rec.removals[n-1]; r.who == leader.who && r.at > leader.from {
			done = r.cause
		}
	}
	started := len(s.rec.stays) > 0
	s.rec.mu.Unlock()

	if !started {
		return s.scr.dim(fmt.Sprintf("%5.1f s", now.Seconds())) + "  etcd is starting"
	}
	if s.stopping.Load() {
		return s.scr.dim(fmt.Sprintf("%5.1f s", now.Seconds())) + "  stopping"
	}
	var head string
	if leader == nil {
		head = "nobody leads"
	} else {
		left := s.byName(leader.who).leaseLeft().Seconds()
		name := s.scr.name(leader.who, 0)
		switch done {
		case crashed:
			head = fmt.Sprintf("nobody leads: %s is dead, its lease ends in %.1f s or so", name, left)
		case cutOff:
			head = fmt.Sprintf("%s leads, cut off, for %.1f s more", name, left)
		default:
			head = fmt.Sprintf("%s leads for %.1f s, lease good for %.1f s", name, (now - leader.from).Seconds(), left)
		}
	}
	var waiting, away []string
	for _, name := range names {
		switch {
		case leader != nil && leader.who == name:
		case slices.Contains(in, name):
			waiting = append(waiting, s.scr.name(name, 0))
		default:
			away = append(away, s.scr.name(name, 0))
		}
	}
	text := s.scr.dim(fmt.Sprintf("%5.1f s", now.Seconds())) + "  " + head
	if len(waiting) > 0 {
		text += " | waiting: " + strings.Join(waiting, " ")
	}
	if len(away) > 0 {
		text += " | away: " + strings.Join(away, " ")
	}
	return text
}
