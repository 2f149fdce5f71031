// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package page

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/survey"
)

// A script brings a state what a watch would, by a clock of its own.
type script struct {
	*state
	t   *testing.T
	at  time.Time
	rev int64
}

func newScript(t *testing.T) *script {
	s := &script{t: t, at: time.UnixMilli(1_000_000)}
	s.state = newState("", func() time.Time { return s.at })
	s.Snapshot(nil)
	s.heard()
	return s
}

func (s *script) pass(d time.Duration) { s.at = s.at.Add(d) }

// put enters the candidate of a lease, or sets its value.
func (s *script) put(name string, lease int64, created int64, value string) {
	s.rev++
	if created == 0 {
		created = s.rev
	}
	s.Events([]*clientv3.Event{{Type: mvccpb.Event_PUT, Kv: &mvccpb.KeyValue{
		Key: fmt.Appendf(nil, "%s/%x", name, lease), Value: []byte(value), Lease: lease, CreateRevision: created, ModRevision: s.rev,
	}}})
}

func (s *script) remove(name string, lease int64) {
	s.rev++
	s.Events([]*clientv3.Event{{Type: mvccpb.Event_DELETE, Kv: &mvccpb.KeyValue{
		Key: fmt.Appendf(nil, "%s/%x", name, lease), ModRevision: s.rev,
	}}})
}

// ledBy returns an election that one candidate is in.
func ledBy(name string, lease clientv3.LeaseID, rev int64) survey.Election {
	return survey.Election{Name: name, Queue: []concurrency.Candidate{
		{Key: fmt.Sprintf("%s/%x", name, int64(lease)), Rev: rev, ModRev: rev, Lease: lease},
	}}
}

// frame returns what a browser that has seen a version is told.
func (s *script) frame(version int64) (*frame, map[string]electionFrame, int64) {
	f, now := s.since(version)
	es := map[string]electionFrame{}
	if f != nil {
		for _, text := range f.Elections {
			var e electionFrame
			require.NoError(s.t, json.Unmarshal(text, &e))
			es[e.Name] = e
		}
	}
	return f, es, now
}

func TestReigns(t *testing.T) {
	s := newScript(t)
	s.put("e", 1, 0, "a")
	s.pass(time.Second)
	s.put("e", 2, 0, "b")
	s.put("e", 1, 1, "a again")
	s.pass(time.Second)
	s.remove("e", 1)
	s.pass(time.Second)
	s.remove("e", 2)
	s.pass(time.Second)
	s.put("e", 1, 0, "a once more")
	_, es, _ := s.frame(0)
	require.Equal(t, []reignFrame{
		{Value: "a again", Lease: "1", Rev: 1, Begin: 1_000_000, End: 1_002_000, Seen: true},
		{Value: "b", Lease: "2", Rev: 2, Begin: 1_002_000, End: 1_003_000, Seen: true},
		{Value: "a once more", Lease: "1", Rev: 6, Begin: 1_004_000, Seen: true},
	}, es["e"].Reigns)
	require.Len(t, es["e"].Queue, 1)
}

func TestALeaderOfBeforeTheServerIsNotSeenToBegin(t *testing.T) {
	s := &script{t: t, at: time.UnixMilli(1_000_000)}
	s.state = newState("", func() time.Time { return s.at })
	s.Snapshot([]survey.Election{ledBy("e", 1, 5)})
	_, got, _ := s.frame(0)
	require.False(t, got["e"].Reigns[0].Seen)

	// After a gap there is another leader: that is a beginning, though it was missed.
	s.pass(time.Minute)
	s.Snapshot([]survey.Election{ledBy("e", 2, 9)})
	_, got, _ = s.frame(0)
	require.Len(t, got["e"].Reigns, 2)
	require.EqualValues(t, 1_060_000, got["e"].Reigns[0].End)
	require.True(t, got["e"].Reigns[1].Seen)

	s.Snapshot(nil)
	_, got, _ = s.frame(0)
	require.Empty(t, got["e"].Queue)
	require.NotZero(t, got["e"].Reigns[1].End)
}

func TestABrowserIsToldOfWhatHasChanged(t *testing.T) {
	s := newScript(t)
	s.put("a", 1, 0, "1")
	s.put("b", 2, 0, "2")
	f, es, version := s.frame(0)
	require.True(t, f.All)
	require.NotNil(t, f.Contact)
	require.Len(t, es, 2)

	f, _, _ = s.frame(version)
	require.Nil(t, f, "nothing has changed")

	s.put("b", 3, 0, "3")
	s.put("b", 4, 0, "4")
	f, es, version = s.frame(version)
	require.False(t, f.All)
	require.Nil(t, f.Contact)
	require.Len(t, es, 1)
	require.Equal(t, 3, es["b"].Count)

	s.setLeases(map[clientv3.LeaseID]survey.Lease{2: {Left: 7 * time.Second, Granted: 10 * time.Second, Asked: s.at}},
		map[clientv3.LeaseID]bool{2: true})
	f, es, version = s.frame(version)
	require.Empty(t, es)
	require.Equal(t, map[string][2]int64{"2": {1_007_000, 10_000}}, f.Leases)

	s.lost(errors.New("no answer"))
	f, es, _ = s.frame(version)
	require.Empty(t, es)
	require.False(t, f.Contact.OK)
	require.Equal(t, "no answer", f.Contact.Why)
}

func TestAbsencesOfEtcdAreKept(t *testing.T) {
	s := newScript(t)
	s.pass(time.Second)
	s.heard()
	s.pass(3 * time.Second)
	require.True(t, s.lost(errors.New("no answer")))
	require.False(t, s.lost(errors.New("no answer")), "no news")
	s.pass(time.Second)
	require.True(t, s.lost(errors.New("refused")))
	f, _, _ := s.frame(0)
	require.Equal(t, [][2]int64{{1_001_000, 0}}, f.Contact.Absences, "since it answered last")
	s.pass(time.Second)
	require.True(t, s.heard())
	require.False(t, s.heard())
	f, _, _ = s.frame(0)
	require.Equal(t, [][2]int64{{1_001_000, 1_006_000}}, f.Contact.Absences)
	require.True(t, f.Contact.OK)
}

// What happens for ever must not fill the memory.
func TestWhatIsKeptIsBounded(t *testing.T) {
	s := newScript(t)
	for i := range int64(3 * maxReigns) {
		s.put("busy", i+1, 0, "")
		s.remove("busy", i+1)
		s.lost(fmt.Errorf("%d", i))
		s.heard()
	}
	_, es, version := s.frame(0)
	require.Len(t, es["busy"].Reigns, maxReigns)
	require.Equal(t, 2*maxReigns, es["busy"].Older)
	require.Len(t, s.absences, maxAbsences)

	s.put("alive", 1, 0, "")
	for i := range 3 * maxVacant {
		name := fmt.Sprintf("short-lived-%d", i)
		s.put(name, 1, 0, "")
		s.remove(name, 1)
	}
	require.LessOrEqual(t, len(s.elections), maxVacant+2)
	require.Contains(t, s.elections, "alive")
	f, es, _ := s.frame(version)
	require.True(t, f.All, "a browser that knows of what was forgotten is told anew")
	require.Contains(t, es, "alive")
	require.NotContains(t, es, "short-lived-0")

	for i := range int64(2 * maxShown) {
		s.put("long", i+1, 0, "")
	}
	_, es, _ = s.frame(0)
	require.Len(t, es["long"].Queue, maxShown)
	require.Equal(t, 2*maxShown, es["long"].Count)
	ids, _ := s.watched()
	require.Len(t, ids, maxShown+1)
}
