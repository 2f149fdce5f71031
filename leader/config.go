// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package leader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/cenkalti/backoff/v5"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency"
)

// A Config says what to lead, and how. Client and Election are required; the zero
// value of everything else is useful.
type Config struct {
	// Client is the client of the etcd that holds the election. It stays the
	// caller's: the Runner does not close it.
	Client *clientv3.Client

	// Election is the election's name, the same for all who compete.
	Election string

	// Value is what the candidate has to say to those who look who leads: an
	// address to forward to, for instance. The default is the host name and the
	// process ID, with a slash between them.
	Value string

	// TTL is how long a leader that died keeps the others waiting, in whole
	// seconds. The default is 15 s. The server may grant more than it is asked for.
	TTL time.Duration

	// Margin is how long before the lease can be lost the function's context ends:
	// the time that the function has to return. The default is a fifth of the TTL.
	//
	// It is at most half the TTL, and better no more than 0.44 of it. The lease is
	// renewed every third of the TTL, or up to a twentieth later, and a request that
	// is not answered is followed by another one after a sixth and a twentieth; with
	// a larger Margin one lost answer can end a term. It is at least a twentieth of the
	// TTL, which the request that hands the leadership over has to fit in.
	Margin time.Duration

	// StartTimeout is how long one attempt at getting a lease may take. The default
	// is the TTL. An attempt that fails is followed by another one, after Backoff.
	StartTimeout time.Duration

	// Backoff says how long to wait after a candidacy that failed. It is used by
	// this Runner alone, and is reset by a term, and by a candidacy that lasted for a
	// TTL. When it says [backoff.Stop], Run returns the error. The default doubles from
	// 100 ms to 5 s, with up to half more or less by chance, and never stops.
	Backoff backoff.BackOff

	// Logger is told of terms, leaders, failures and overruns. The default is
	// [slog.Default].
	Logger *slog.Logger

	// Hooks are called as things happen.
	Hooks Hooks

	// Overrun is what to do about a function that still runs when its term is over
	// and its Margin is spent. The default is to log it.
	Overrun Overrun

	// HoldOff is how long to stay out of the election after a term that ended in
	// an error of the function, or that was lost within MinTerm, so that a candidate
	// that cannot lead does not take the lead again and again. The default is the
	// TTL; a negative HoldOff means none. A Runner holds off across calls of Run.
	HoldOff time.Duration

	// MinTerm is how long a term should last at least. One that is lost
	// sooner is followed by HoldOff. Terms that end on purpose do not count. The
	// default is twice the TTL.
	MinTerm time.Duration

	// ObserveOnly makes a Runner that is no candidate: it sees who leads, and
	// reports it. Nothing changes that; see Pause for staying out for a while.
	ObserveOnly bool

	// HealthCheck tells whether this process is fit to lead: nil if it is. Until
	// the check has passed HealthyAfter times in a row the Runner is no candidate, and
	// when it has failed UnhealthyAfter times in a row the Runner steps down, or
	// leaves the queue. A check has to return when its context ends, which it does
	// after HealthInterval; one that has not returned soon after counts as failing.
	HealthCheck func(context.Context) error

	// HealthInterval is how long to wait between two checks, and how long a check may
	// take. The default is a third of the TTL.
	HealthInterval time.Duration

	// UnhealthyAfter is how many checks in a row have to fail. The default is 3.
	UnhealthyAfter int

	// HealthyAfter is how many checks in a row have to pass. The default is 1.
	HealthyAfter int
}

// Hooks are called as things happen; each may be nil. A hook has to return soon,
// since something waits for it: for Elected the function, for Lost the next candidacy,
// for NewLeader the news of later leaders, for Error the next attempt, or the end of
// the process after an overrun. NewLeader and Error may run at the same time as the
// others.
type Hooks struct {
	// Elected is called right before the function.
	Elected func(*concurrency.Term)
	// Lost is called after the function has returned and the leadership is given
	// up, once for each Elected.
	Lost func(*concurrency.Term, *EndError)
	// NewLeader is called with each leader that is seen, also when it is this
	// process.
	NewLeader func(concurrency.Candidate)
	// Error is called with each failure that the Runner goes on after, and with each
	// overrun.
	Error func(error)
}

// minTTL is the shortest TTL that can be asked for: etcd counts in whole seconds.
const minTTL = time.Second

// validate returns c with defaults filled in, or all that is wrong with it.
func (c Config) validate() (Config, error) {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("leader: "+format, args...)) }

	if c.Client == nil {
		wrong("Config.Client is missing")
	}
	if c.Election == "" {
		wrong("Config.Election is missing: all who compete need the same name")
	}
	if c.Value == "" {
		host, _ := os.Hostname() // where there is none, the process ID has to do
		c.Value = fmt.Sprintf("%s/%d", host, os.Getpid())
	}

	def(&c.TTL, 15*time.Second)
	if c.TTL < minTTL || c.TTL%time.Second != 0 {
		wrong("Config.TTL is %v, and has to be a whole number of seconds, one at least", c.TTL)
		c.TTL = 15 * time.Second // so that what follows makes sense
	}
	def(&c.Margin, c.TTL/5)
	if least, most := c.TTL/20, c.TTL/2; c.Margin < least || c.Margin > most {
		wrong("Config.Margin is %v, and has to be from %v to %v with a TTL of %v: less is not enough to hand over in, and with more a single renewal that is answered late would end the term",
			c.Margin, least, most, c.TTL)
	}
	def(&c.StartTimeout, c.TTL)
	def(&c.HoldOff, c.TTL)
	def(&c.MinTerm, 2*c.TTL)
	def(&c.HealthInterval, c.TTL/3)
	def(&c.UnhealthyAfter, 3)
	def(&c.HealthyAfter, 1)
	if c.StartTimeout < 0 {
		wrong("Config.StartTimeout is negative")
	}
	if c.MinTerm < 0 {
		wrong("Config.MinTerm is negative")
	}
	if c.HealthInterval < 0 || c.UnhealthyAfter < 0 || c.HealthyAfter < 0 {
		wrong("Config.HealthInterval, UnhealthyAfter or HealthyAfter is negative")
	}
	if c.Overrun < OverrunLog || c.Overrun > OverrunPanic {
		wrong("Config.Overrun is %d, and has to be OverrunLog, OverrunExit or OverrunPanic", c.Overrun)
	}

	if c.Backoff == nil {
		b := backoff.NewExponentialBackOff()
		b.InitialInterval, b.Multiplier, b.MaxInterval = 100*time.Millisecond, 2, 5*time.Second
		c.Backoff = b
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, errors.Join(errs...)
}

// def sets a field that is zero to its default.
func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
