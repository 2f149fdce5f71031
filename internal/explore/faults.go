// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package explore

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	v3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency/etcdtest"
)

// faults lets things go wrong until the storm is over, and then mends them all.
func (w *world) faults(rng *rand.Rand, participants int) {
	end := w.start.Add(storm)
	for time.Now().Before(end) {
		time.Sleep(time.Duration(200+rng.IntN(4000)) * time.Millisecond)
		w.fault(rng, participants)
		w.lookForGhosts()
	}
	for i := range participants {
		name := participantName(i)
		w.etcd.Link(name).Heal()
		w.etcd.Resume(name)
	}
	for i := range w.etcd.Members() {
		w.mend(i)
	}
	w.log("all faults are mended")
}

func participantName(i int) string { return string(rune('A' + i)) }

func (w *world) mend(member int) {
	m := w.etcd.Member(member)
	m.Resume()
	m.RegainLeader()
}

// fault does one thing wrong, or mends one.
func (w *world) fault(rng *rand.Rand, participants int) {
	name := participantName(rng.IntN(participants))
	link := w.etcd.Link(name)
	member := rng.IntN(w.etcd.Members())
	if w.etcd.Members() > 1 && rng.IntN(2) == 0 {
		link = w.etcd.Link(name, member)
		name = fmt.Sprintf("%s to member %d", name, member)
	}
	does := func(what string, f func()) {
		w.log("fault: %s: %s", name, what)
		f()
	}
	one := etcdtest.Method([]string{"Txn", "Range", "LeaseGrant", "LeaseRevoke", "LeaseKeepAlive", "WatchCreate"}[rng.IntN(6)])
	ms := time.Millisecond
	switch rng.IntN(27) {
	case 0, 1, 2, 3:
		does("healed", link.Heal)
	case 4:
		does("swallow", link.Swallow)
	case 5:
		does("swallow requests", link.SwallowRequests)
	case 6:
		does("swallow replies", link.SwallowReplies)
	case 7:
		does("cut", link.Cut)
	case 8:
		does("break", link.Break)
	case 9:
		d := time.Duration(rng.Int64N(int64(maxRT / 4)))
		does(fmt.Sprintf("delay %v", d), func() { link.Delay(d, d) })
	case 10:
		does("drop request", func() { link.DropRequest(one) })
	case 11:
		does("drop reply", func() { link.DropReply(one) })
	case 12:
		does("drop request silently", func() { link.DropRequestSilently(one) })
	case 13:
		does("drop reply silently", func() { link.DropReplySilently(one) })
	case 14:
		does("cut watches", func() { link.CutWatch() })
	case 15:
		does("compact watches", func() { link.CompactWatch() })
	case 16:
		does("silence watches", func() { link.SilenceWatch() })
	case 17:
		does("hold watches", func() { link.HoldWatch() })
	case 18:
		p := participantName(rng.IntN(participants))
		d := time.Duration(rng.IntN(9000)) * ms
		w.log("fault: %s: pause for %v", p, d)
		w.etcd.Pause(p)
		time.AfterFunc(d, func() { w.etcd.Resume(p) })
	case 19:
		name = fmt.Sprint("member ", member)
		if w.etcd.Members() == 1 || rng.IntN(2) == 0 {
			d := time.Duration(rng.IntN(3000)) * ms
			does(fmt.Sprintf("restart after %v", d), func() {
				w.etcd.Member(member).Stop()
				time.AfterFunc(d, w.etcd.Member(member).Restart)
			})
			return
		}
		d := time.Duration(rng.IntN(8000)) * ms
		does(fmt.Sprintf("without leader for %v", d), func() {
			w.etcd.Member(member).LoseLeader()
			time.AfterFunc(d, w.etcd.Member(member).RegainLeader)
		})
	case 20:
		if leases := w.etcd.Leases(); len(leases) > 0 {
			l := leases[rng.IntN(len(leases))]
			w.log("fault: lease %x revoked", l.ID)
			_ = w.etcd.Revoke(l.ID)
			w.strike()
		}
	case 21:
		if keys := w.candidates(); len(keys) > 0 {
			k := keys[rng.IntN(len(keys))]
			w.log("fault: key %s deleted", k.Key)
			w.etcd.Delete(k.Key)
			w.strike()
		}
	case 22:
		w.log("fault: compaction")
		w.compactedTo = w.etcd.Rev()
		_ = w.etcd.Compact(w.compactedTo)
	case 24, 25, 26:
		// The answer to the next entering transaction, or whatever comes first.
		does("drop reply of a Txn", func() { link.DropReplySilently(etcdtest.Method("Txn")) })
	case 23:
		// Stray keys, which are nobody's candidacy.
		w.etcd.Put(names[rng.IntN(len(names))]+"/"+[]string{"stray", "7b", "x/1"}[rng.IntN(3)], "stray")
	}
}

// strike notes that an operator has taken keys away in the last revision. No
// deadline holds for that.
func (w *world) strike() {
	rev := w.etcd.Rev()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.struck[rev] = true
}

// doubt notes that a request to delete key failed, and may be applied yet.
func (w *world) doubt(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.doubtful[key] = time.Now().Add(15 * time.Second)
}

// candidates returns the keys that are candidates' now.
func (w *world) candidates() []etcdtest.Event {
	var all []etcdtest.Event
	for _, name := range names {
		for _, ev := range w.etcd.Keys(name + "/") {
			if isCandidate(name, ev.Key, ev.Lease) {
				all = append(all, ev)
			}
		}
	}
	return all
}

// isCandidate is the definition in the documentation, written a second time.
func isCandidate(name, key string, lease v3.LeaseID) bool {
	return lease != 0 && key == fmt.Sprintf("%s/%x", name, lease)
}

// electionOf returns the name of the election that a candidate's key is of.
func electionOf(key string) string { return key[:strings.LastIndexByte(key, '/')] }
