// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Package page serves a status page: the elections under a prefix, live, in a
// browser.
//
// One watch on etcd fills one state, whatever the number of browsers. Each
// browser follows that state by a stream of server-sent events, and takes from it
// what has changed since it looked last: one that is slow skips what lies between,
// and holds up nobody.
package page

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-da5263fb/concurrency/cmd/elect/internal/survey"
)

// Config says what to serve.
type Config struct {
	// Client is how etcd is reached. The page does not close it.
	Client *clientv3.Client
	// Prefix is what the names of the elections shown begin with.
	Prefix string
	// AllowEvict lets who can open the page take the lead away from a candidate.
	AllowEvict bool
	// Hosts are the host names, besides localhost and IP addresses, by which
	// browsers may ask for the page.
	Hosts []string
	// Logger is told when etcd goes away and comes back, and of evictions.
	Logger *slog.Logger
}

// A Server serves the page.
type Server struct {
	cfg   Config
	epoch string // tells one server from the one that takes its place
	token string // what an eviction has to bring along
	state *state
	// streams has room for as many browsers as may follow at a time.
	streams chan struct{}
	// patience is how long a request may take to arrive.
	patience time.Duration
}

// maxStreams is how many browsers may follow at a time.
const maxStreams = 512

// New returns a Server that Serve starts.
func New(cfg Config) *Server {
	return &Server{
		cfg: cfg, epoch: rand.Text(), token: rand.Text(),
		state:    newState(cfg.Prefix, time.Now),
		streams:  make(chan struct{}, maxStreams),
		patience: 10 * time.Second,
	}
}

// Serve follows etcd and serves the page on l until ctx ends, and returns nil then,
// when all connections are closed. It closes l. That etcd cannot be reached is
// shown on the page and is no error.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server := &http.Server{
		Handler:        s.handler(),
		ReadTimeout:    s.patience,
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
		// The streams end with it, which Shutdown would wait for.
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	following := make(chan struct{}, 2)
	go func() {
		survey.Follow(ctx, s.cfg.Client, s.cfg.Prefix, logging{s.state, s.cfg.Logger})
		following <- struct{}{}
	}()
	go func() {
		s.followLeases(ctx)
		following <- struct{}{}
	}()
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		patience, done := context.WithTimeout(context.Background(), 3*time.Second)
		defer done()
		if server.Shutdown(patience) != nil {
			_ = server.Close() // a request took too long
		}
	})
	err := server.Serve(l)
	if stop() {
		close(closed) // Serve ended by itself
	}
	cancel()
	<-closed
	<-following
	<-following
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// logging is the state, and a log of etcd's comings and goings.
type logging struct {
	*state
	log *slog.Logger
}

func (l logging) Heard() {
	if l.heard() {
		l.log.Info("etcd answers")
	}
}

func (l logging) Lost(err error) {
	if l.lost(err) {
		l.log.Warn("etcd is away", "error", err)
	}
}
