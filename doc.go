// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Package concurrency lets one of many processes lead, work, or hold a lock, by
// way of etcd. It takes the place of go.etcd.io/etcd/client/v3/concurrency: names,
// signatures and what is written to etcd are the same, so that changing the
// import path is the whole migration, and old and new processes can share one
// election.
//
// # Model
//
// A [Session] is an etcd lease that is kept alive. An [Election] or a [Mutex] is a
// queue of candidates under a name. A candidate is one key,
//
//	<name>/<lease in lower-case hex>
//
// attached to that lease and written once. The revision at which the key was
// created is the candidate's place: the lowest one leads, or holds the lock, and
// the others follow in that order. Each of them watches the key right ahead of it,
// and its own. When a lease ends, by Close or because it was not renewed for its
// TTL, etcd deletes its keys, and the next candidate leads.
//
// A [Term] is one leadership, from the win to its end, and the thing to hold on to
// while leading: it says when to stop (Done, Context) and it fences writes off
// that come too late (Fence).
//
//	             Campaign                   nobody ahead
//	(no key) ────────────────▶ waiting ─────────────────────▶ leading
//	   ▲                          │                          Term lasts
//	   │   ctx ends, Resign,      │                              │
//	   ├──────────────────────────┘                              │
//	   │   key or lease gone                                     │
//	   │                                                         │
//	   └─────────────────────────────────────────────────────────┘
//	        Resign, Close, key deleted, no answer within the TTL
//
// # Guarantees
//
//  1. One leader per revision. At any revision of etcd at most one candidate leads.
//     Term.Rev grows from each leader to the next, so it is a fencing token; a
//     transaction that is guarded by Term.Fence is applied only while that very
//     term lasts.
//
//  2. Step down first. Session.Done and Term.Done close before the server can give
//     the lease up, however slow or lost its answers are. The deadline is
//
//     when the last answered renewal was sent + the TTL that the server granted
//
//     which is never after the lease's end, because the server counts the TTL from
//     when it receives the renewal. This assumes clocks that run at the same rate
//     to within 1%, and a process that is running: one that was paused is stopped
//     by the fence and not by the clock.
//
//  3. No false victory. Campaign and Lock return nil only if the own key, of this
//     very candidacy, was there with nobody ahead of it, as seen by one
//     linearizable read or by the transaction that wrote it.
//
//  4. No ghosts. A Campaign or Lock that returns an error leaves no key behind:
//     what was or may have been written is deleted, at once if etcd answers, else in
//     the background until it does or the lease is over. It never deletes a key that
//     another Election or Mutex of the session holds or waits with.
//
//  5. Nothing hangs. Every call returns within a second of its context's end, also
//     while etcd is down. A waiter whose key or lease is gone returns with an error,
//     also while the leader stays. A watch that is silent, cut, compacted, or stuck
//     on a member without a leader does not hide a victory for longer than the
//     session's TTL.
//
//  6. First come, first led. Succession follows the order of entry.
//
//  7. Observers see it all. Every leader and every proclamation since the start, in
//     order, never backwards, across compaction, reconnects and the loss of members.
//     Of what etcd compacted before they could have it they see who led at the end
//     of it, and a reader that falls behind by more than 512 updates skips ahead to
//     the newest. The channel of Observe closes only when its context or the client
//     ends.
//
//  8. State tells the truth. A candidate is no leader: until it has won, Key is empty,
//     Rev is 0 and Proclaim fails. After a failed Resign or Unlock the state stands,
//     and the call can be made again. All methods are safe for concurrent use.
//
//  9. Names are apart. Elections a, ab and a/b never touch each other, and a stray
//     key under the name is no candidate: a key is a candidate's only if it is
//     named by the lease that it is attached to.
//
// # What happens when
//
//	the leader's process dies        its lease ends after the TTL; the next leads
//	the leader is cut off            its Term ends before its lease does; the next leads
//	the leader is paused             its writes are refused by the fence once the next leads
//	the leader's key is deleted      its Term ends within a round trip; the next leads at once
//	a candidate's lease is gone      its Campaign returns ErrKeyDeleted, its Lock ErrSessionExpired
//	one member of three is silent    renewals, reads and watches move to another one
//	all of etcd is down              calls try on until their context or the lease ends
//	an answer is lost                the request is made again, or what it wrote is deleted
//	Orphan is called                 the Term ends; the key stays until the lease ends
//
// # What is not promised
//
// Done tells a running process to stop; it cannot stop it. Between the check of a
// term and a write that is not guarded by Fence, any time can pass. Only the fence
// makes a write and the leadership one thing; for stores other than etcd, send
// Term.Rev along and let the store refuse a lower one than it has seen.
//
// A transaction that etcd answers with a time-out, or that gets no answer for a TTL,
// may be applied after that. If the candidacy was given up by then, its key stands
// until the lease ends.
package concurrency
