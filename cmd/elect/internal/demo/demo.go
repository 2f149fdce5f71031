// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Package demo shows an election at work: three etcd members and five candidates
// in one process, and leaders that resign, lose their key, crash and are cut
// off. It measures each handover and judges what it measured.
package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Config says how the demo runs. The zero value of each field but Out is useful.
type Config struct {
	// Out is where all is shown.
	Out io.Writer
	// Colour and Live say what Out can show: colours, and a line that is
	// drawn again in place.
	Colour, Live bool
	// Plot is where the timeline is drawn as an SVG when all is over; nowhere
	// if nil. Nothing is drawn if the demo is interrupted.
	Plot io.Writer
	// TTL is that of the candidates' leases; whole seconds, 3 s if 0.
	TTL time.Duration
	// Hold is how long each leader leads before it is removed; 3 s if 0.
	Hold time.Duration
	// Dir is where the temporary folder is made; os.TempDir if empty.
	Dir string
}

func (cfg Config) withDefaults() Config {
	if cfg.TTL == 0 {
		cfg.TTL = 3 * time.Second
	}
	if cfg.Hold == 0 {
		cfg.Hold = 3 * time.Second
	}
	if cfg.Dir == "" {
		cfg.Dir = os.TempDir()
	}
	return cfg
}

// ErrInterrupted is returned by Run when its context ends before the show does.
var ErrInterrupted = errors.New("interrupted")

// Run plays the demo. It returns nil if no two candidates led at once and each
// handover came within its bound, ErrInterrupted soon after ctx ends, and else
// what went wrong. In any case the members and clients are stopped when it
// returns, their ports are free, and their files are removed.
func Run(ctx context.Context, cfg Config) error {
	cfg = cfg.withDefaults()
	running, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	rec := newRecord()
	s := &show{cfg: cfg, rec: rec, fail: fail}
	for _, name := range names {
		s.candidates = append(s.candidates, &candidate{name: name, ttl: cfg.TTL, rec: rec})
	}
	s.scr = newScreen(cfg.Out, cfg.Colour, cfg.Live, rec.now, fail)
	for _, c := range s.candidates {
		c.scr = s.scr
	}
	s.scr.text(fmt.Sprintf("Three etcd members, %d candidates, leases of %v; takes about 25 s. "+
		"Times are in seconds since the start.\n\n", len(names), cfg.TTL))
	s.scr.start(s.status)

	err := s.play(running)
	if ctx.Err() != nil {
		err = ErrInterrupted
		s.scr.say(rec.now(), "demo", "interrupted; stops everything")
	}
	fail(err) // from here on nothing that ends is news
	h := rec.history()
	err = errors.Join(err, s.cleanUp(err == nil))
	s.scr.finish()
	if s.scr.err != nil || errors.Is(err, ErrInterrupted) {
		return err
	}

	hs := handovers(h)
	s.scr.text("\n" + timeline(h, s.scr.name) + "\n" + table(hs, cfg.TTL))
	if err == nil {
		err = judge(h, hs, cfg.TTL)
	}
	if err == nil {
		s.scr.text(s.scr.paint("1;32", "PASS") + ": " + summary(h, hs))
	}
	if cfg.Plot != nil {
		if plotErr := plot(cfg.Plot, h, cfg.TTL, err); plotErr != nil {
			err = errors.Join(err, fmt.Errorf("draw the timeline: %w", plotErr))
		}
	}
	return cmp.Or(err, s.scr.err)
}

// A show is the demo while it runs.
type show struct {
	cfg  Config
	rec  *record
	scr  *screen
	fail context.CancelCauseFunc // ends the show with an error

	cluster    *cluster
	audience   audience
	candidates []*candidate
	running    sync.WaitGroup // candidacies, and who watches
	stopping   atomic.Bool    // cleanUp is under way

	// waiting is the context of the candidates' Campaigns.
	waiting     context.Context
	stopWaiting context.CancelFunc
}

// byName returns a candidate.
func (s *show) byName(name string) *candidate {
	for _, c := range s.candidates {
		if c.name == name {
			return c
		}
	}
	panic("bug: no candidate " + name)
}

// enter lets a candidate contend, in the background.
func (s *show) enter(ctx context.Context, c *candidate) {
	s.running.Go(func() {
		if err := c.contend(ctx, s.waiting); err != nil && ctx.Err() == nil {
			s.fail(err)
		}
	})
}

// cleanUp ends all that the show has started. If the show is played out the
// sessions are closed; else their leases go down with the members.
func (s *show) cleanUp(playedOut bool) error {
	s.stopping.Store(true)
	var closing sync.WaitGroup
	for _, c := range s.candidates {
		closing.Go(func() {
			if playedOut {
				c.closeSession()
			}
			c.shutDown()
		})
	}
	closing.Wait()
	s.fail(nil)
	s.running.Wait()
	s.audience.leave()
	if s.cluster == nil {
		return nil
	}
	if err := s.cluster.stop(); err != nil {
		return err
	}
	s.scr.say(s.rec.now(), "etcd", "is stopped, and its folder removed")
	return nil
}
