// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package page

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"

	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/visible"
)

// What browsers are told. Names and values are as visible shows them; what the page
// hands back to the server is encoded, because it may be any bytes. Times are in
// milliseconds since 1970, by the server's clock.

type hello struct {
	Epoch  string `json:"epoch"`
	Prefix string `json:"prefix"` // empty for none
	Begun  int64  `json:"begun"`
	// Token is what an eviction has to bring; empty if there are none.
	Token string `json:"token,omitempty"`
}

type frame struct {
	Now int64 `json:"now"`
	// All says that Elections are all there are, else those that changed.
	All       bool              `json:"all"`
	Contact   *contactFrame     `json:"contact,omitempty"`
	Elections []json.RawMessage `json:"elections,omitempty"`
	// Leases are the ends of leases, and their TTLs, by what candidates have as lease.
	Leases map[string][2]int64 `json:"leases,omitempty"`
}

type contactFrame struct {
	OK  bool   `json:"ok"`
	Why string `json:"why,omitempty"`
	// Absences are the times in which etcd was away; the last one may have no end.
	Absences [][2]int64 `json:"absences"`
}

type electionFrame struct {
	ID     string           `json:"id"`
	Name   string           `json:"name"`
	Count  int              `json:"count"`
	Queue  []candidateFrame `json:"queue"`
	Reigns []reignFrame     `json:"reigns"`
	Older  int              `json:"older,omitempty"`
}

type candidateFrame struct {
	ID    string `json:"id"`
	Value string `json:"value"`
	Lease string `json:"lease"`
	Rev   int64  `json:"rev"`
}

type reignFrame struct {
	Value string `json:"value"`
	Lease string `json:"lease"`
	Rev   int64  `json:"rev"`
	Begin int64  `json:"begin"`
	End   int64  `json:"end,omitempty"`
	Seen  bool   `json:"seen"`
}

// Widths at which names and values are cut off.
const (
	maxValue = 120
	maxLabel = 48
)

// since returns what has changed since a version, 0 for all, and the version that
// it leads to. The frame is nil if nothing has changed.
func (s *state) since(version int64) (*frame, int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if version == s.version && version > 0 {
		return nil, version
	}
	f := &frame{Now: s.now().UnixMilli(), All: version == 0 || version < s.dropped}
	if f.All {
		version = -1
	}
	if s.contacts > version {
		f.Contact = s.contactLocked()
	}
	for _, e := range s.elections {
		if e.version > version {
			f.Elections = append(f.Elections, s.electionLocked(e))
		}
	}
	for id, l := range s.leases {
		if l.version > version {
			if f.Leases == nil {
				f.Leases = map[string][2]int64{}
			}
			f.Leases[strconv.FormatInt(int64(id), 16)] = [2]int64{l.Asked.Add(l.Left).UnixMilli(), l.Granted.Milliseconds()}
		}
	}
	return f, s.version
}

func (s *state) contactLocked() *contactFrame {
	c := &contactFrame{OK: s.contact, Absences: [][2]int64{}}
	if s.why != nil {
		c.Why = visible.Clip(s.why.Error(), maxValue)
	}
	for _, a := range s.absences {
		c.Absences = append(c.Absences, [2]int64{a.begin.UnixMilli(), milli(a.end)})
	}
	return c
}

// electionLocked returns the election as JSON, which is made once for all browsers.
func (s *state) electionLocked(e *election) json.RawMessage {
	if e.frame != nil {
		return e.frame
	}
	queue := s.table.Queue(e.name)
	f := electionFrame{
		ID: encode(e.name), Name: visible.Clip(e.name, maxValue),
		Count: len(queue), Queue: []candidateFrame{}, Older: e.older,
	}
	for _, c := range shown(queue) {
		f.Queue = append(f.Queue, candidateFrame{
			ID: encode(c.Key), Value: visible.Clip(c.Value, maxValue), Lease: strconv.FormatInt(int64(c.Lease), 16), Rev: c.Rev,
		})
	}
	for _, r := range e.reigns {
		f.Reigns = append(f.Reigns, reignFrame{
			Value: visible.Clip(r.leader.Value, maxLabel), Lease: strconv.FormatInt(int64(r.leader.Lease), 16), Rev: r.leader.Rev,
			Begin: r.begin.UnixMilli(), End: milli(r.end), Seen: r.seen,
		})
	}
	text, err := json.Marshal(f)
	if err != nil {
		panic("bug: an election that is no JSON: " + err.Error())
	}
	e.frame = text
	return text
}

// milli returns 0 for the zero time.
func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
