// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Package etcdtest is an etcd in memory, for tests of what is built on etcd: with real clients, with faults on demand, and
// in a bubble of [testing/synctest] with virtual time, in which a minute of lease time passes in milliseconds.
//
//	synctest.Test(t, func(t *testing.T) {
//		etcd := etcdtest.New(t)
//		a, b := etcd.Client("a"), etcd.Client("b") // *clientv3.Client
//		…
//		etcd.Link("a").Swallow()
//		…
//		etcd.Link("a").Heal()
//	})
//
// It works outside a bubble as well, in real time. Everything closes with the test. A failing test can say what happened:
// [Etcd.History], [Etcd.Leases], [Etcd.Watches] and [Etcd.Requests] look into the store without asking it for anything.
//
// # Model
//
//	participant a ── link ──┬── member 0 ──┐
//	                        ├── member 1 ──┼── store
//	participant b ── link ──┴── member 2 ──┘
//
// A participant is one of those who use etcd, named by the test. It has clients, and one [Link] to the members. Between a
// client and a member lies a connection in memory; both ends speak real gRPC. The members answer KV, Watch, Lease, and of
// Cluster and Maintenance what clients use (MemberList, Status, MoveLeader), from one store. What a member does not
// implement it refuses with codes.Unimplemented and the method's name.
//
// # Faults
//
//	where             fault                                  the participant sees
//	network           Cut                                    refused connections
//	network           Break                                  one broken connection
//	network           Swallow, SwallowRequests, …Replies     silence; a broken connection when healed
//	network           Delay, DelayRequests, DelayReplies     slowness
//	one request       DropRequest, DropReply                 a broken connection; applied or not
//	one request       DropRequestSilently, DropReplySilently silence; applied or not
//	watches           CutWatch, CompactWatch                 the end of a watch
//	watches           SilenceWatch, HoldWatch                nothing, or not even a confirmation
//	participant       Pause                                  everything at once, after Resume
//	member            Stop, Pause, LoseLeader                what a cluster looks like that is not well
//	store             Revoke, Delete, Put, Compact           what an operator may do
//
// Link faults are undone by [Link.Heal]. A [Plan] draws faults from a seed, and [Etcd.Run] causes them.
//
// # Time and chance
//
// The server's loops tick from the moment of [New]: leases are scanned every half second, watches that start in the past
// are served every tenth of a second, and streams without a leader are looked after every election timeout. Only ticks
// that have something to do take place. The same seed gives the same plan and the same jitter of delays; retries and
// reconnects of the clients wait without jitter. What stays random is the choice of the client's balancer among several
// members, and the order in which Go runs goroutines that could all run.
//
// To let time pass in a bubble while a watch is open, this package sets one unexported variable of the etcd client, for the
// whole process: see bubble.go.
//
// With -race, code in a bubble should not wait for zero or less on several goroutines at once: Go 1.26 runs a timer that is
// due on the goroutine that sets it, in one race context for the whole bubble, and the detector can crash (SIGSEGV with an
// idle goroutine 0). Return before the timer, as this module does.
//
// # Differences from etcd
//
// The conformance suite sends requests, both listed and random, to this package and to an etcd 3.7 of one member, and
// compares every answer. These differences are known:
//
//   - There is no raft and no disk: a request is applied in no time. A leader is replaced at once, where an election takes
//     one to two election timeouts; to have that gap, let all members lose their leader.
//   - A member that loses its leader knows it at once. A member that was stopped has nothing to catch up with.
//   - The clients' backoff has no jitter. (Before connecting again to a member that refuses, gRPC still waits a second at
//     first and two minutes at last.)
//   - Authentication, snapshots, alarms, hashes, defragmentation, downgrade, changes of membership, learners and
//     RangeStream are not implemented.
//   - Watch responses are not split into fragments. A watch that is slow to read is never taken off the list of synced
//     ones. In one response to several watches, the order among the watches is that of their creation.
//   - The raft index in a status is the revision; sizes are zero. The space quota and the rate limit are never reached.
//   - Lease ids that the server chooses are small steps from a fixed number. Leases that expire together are revoked one
//     after the other, by expiry and id; etcd revokes them in any order, and no more than 500 in a scan. There are no
//     lease checkpoints: a new leader always gives a lease its whole time anew.
//   - A transaction that deletes keys to the end of the keyspace, and then puts one of them with IgnoreValue or
//     IgnoreLease, makes etcd 3.7.3 panic. Here there is nothing to keep, and the put goes on.
//   - A request larger than the limit is told apart from one just below it with a precision of a few bytes, since the
//     request ids that etcd adds differ in length.
package etcdtest
