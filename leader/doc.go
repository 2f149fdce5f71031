// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Package leader runs a function in one process at a time, of many that compete for
// it by way of etcd.
//
//	err := leader.Run(ctx, leader.Config{Client: client, Election: "billing"},
//		func(ctx context.Context, term *concurrency.Term) error {
//			… // until ctx ends, or the work is done
//		})
//
// A [Runner], from [New], does the same, and can be looked at and told what to do:
// Status, Changes, Handler and Stats; StepDown, Pause and Resume.
//
// # Model
//
// Run goes from one candidacy to the next. A candidacy is a session of its own, one
// campaign, and at most one term; it ends with its lease revoked, whatever came
// of it. So nothing of what went wrong with one can matter to the next, and whoever
// comes back is behind all others in the queue.
//
//	          Run                                won
//	stopped ───────▶ connecting ─────────────────────────────────▶ leading
//	                  ▲  │   ▲ │    key written           won         │
//	                  │  │   │ └──────────────▶ queued ──────────────▶│
//	  Pause, unfit,   │  │   │   lease or key gone │                  │ the context ends
//	  hold-off over   │  │   └─────────────────────┤                  ▼
//	                  │  ▼                         │            stepping down
//	                 paused ◀──────────────────────┘                  │
//	                  ▲ ▲      Pause, unfit                           │ the function has returned,
//	                  │ └─────────────────────────────────────────────┤ the key is deleted
//	                  │        Pause, unfit, hold-off                 │
//	                  │                                               ├─────▶ connecting
//	                ObserveOnly                                       │  lost, or stepped down
//	                                                                  └─────▶ stopped
//	                                                        returned while leading, or Run's ctx ended
//
// # Promises
//
//  1. The function's context ends at least Margin before the lease can be lost:
//
//     when the last answered renewal was sent + granted TTL − Margin − TTL/100
//
//     and at once when the key is deleted, the lease revoked, the client closed, a
//     step-down asked for, or Run's context over. Its cause is an [*EndError]. A
//     lease that is renewed in time ends no term, however slow the answers are.
//
//  2. Run waits for the function before it gives the key up. So nobody else leads
//     while the function still runs, as long as it returns within Margin; and without
//     that limit if the end was on purpose, since the lease is kept alive meanwhile.
//
//  3. There are never two calls of the function at once in one Runner, never a call
//     without a term that lasts for more than Margin, and Run never returns while
//     the function runs.
//
//  4. A function that still runs when its term is over and Margin has passed
//     overruns: that is logged, counted, and, by [Overrun], ends the process.
//
//  5. Run outlives etcd: it campaigns again for as long as its context lasts. It
//     leaves no lease, key or goroutine behind, if etcd answers within Margin;
//     else the lease ends by itself. (A health check that does not return is left
//     alone.)
//
//  6. A handover on purpose takes the next leader one deletion to see, not a TTL.
//
// # What happens when
//
//	etcd is slow                       nothing while answers take less than 0.6 × TTL − Margin; then as if it was down
//	etcd is down, or cut off           the context ends (lease at risk); Run campaigns until etcd is back
//	etcd was down for less than that   nothing
//	one member of three is silent      nothing: renewals move to another one
//	the key is deleted                 the context ends (key deleted); the next one leads at once
//	the lease is revoked               the same
//	the process is told to stop        end Run's context: the context ends (stopped), and the key is deleted
//	the process dies                   the next one leads after the TTL
//	the process is paused              the context ends when it wakes up; writes that Fence guards are refused
//	the function does not return       after a loss: an overrun, by policy the end of the process;
//	                                   after an end on purpose: it goes on leading, which is logged
//	the function returns nil           Run hands over, and returns nil
//	the function returns an error      Run hands over, and returns it; the next Run holds off
//	the function panics                Run hands over, and the panic goes on
//	the win is answered too late       the function is not called; the next candidacy begins
//	a term is lost too soon            HoldOff, then the next candidacy
//	the health check fails             the context ends (unhealthy); Run campaigns when it passes
//	the client is closed               the context ends (session over); Run returns ErrClientClosed
//
// After an outage the client has to connect again. gRPC waits up to two minutes
// before it tries a member anew that refused; grpc.WithConnectParams in
// clientv3.Config.DialOptions shortens that.
//
// # What is not promised
//
// A context asks a function to stop, and cannot make it. In a process that was
// paused, or whose function overruns, two functions may run for a while, in two
// processes. Only a write that is guarded by [concurrency.Term.Fence] is safe from
// that: see the example of the cron job. That a function has returned says nothing
// about writes that it has sent and that are still under way.
//
// A function that was interrupted is called again, there or in another process: it
// has to be able to go on from what is there.
package leader
