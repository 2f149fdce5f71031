// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// Package network has the links between the processes of a trial: TCP proxies
// on loopback, which can be cut, silenced and slowed down.
package network

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// A Network makes links.
type Network struct {
	server *toxiproxy.ApiServer // never listens: the proxies want its logger and metrics

	mu    sync.Mutex
	links []*Link
}

// New returns a network without links. Close it.
func New() *Network {
	// Some of the proxy's parts do not use the logger that they are given.
	zerolog.SetGlobalLevel(zerolog.Disabled)
	return &Network{server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())}
}

// Close ends all links.
func (n *Network) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.links {
		_ = l.patiently(func() error { l.proxy.Stop(); return nil })
	}
}

// Link returns a link that listens at one address and leads to another.
func (n *Network) Link(name, listen, to string) (*Link, error) {
	l := &Link{name: name, address: listen, proxy: toxiproxy.NewProxy(n.server, name, listen, to)}
	if err := l.proxy.Start(); err != nil {
		return nil, fmt.Errorf("link %s: %w", name, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.links = append(n.links, l)
	return l, nil
}

// A Link is a proxy between a client and a server.
type Link struct {
	name    string
	address string
	proxy   *toxiproxy.Proxy

	mu     sync.Mutex
	cut    bool
	toxics []string
}

// Name returns the link's name.
func (l *Link) Name() string { return l.name }

// A Direction is one of the two ways that bytes take on a link.
type Direction string

// The two directions: to the server, and back to the client.
const (
	ToServer Direction = "upstream"
	ToClient Direction = "downstream"
)

// Cut ends all connections, and refuses new ones.
func (l *Link) Cut() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
	return l.patiently(func() error { l.proxy.Stop(); return nil })
}

// Silence swallows all bytes of one direction, and tells neither end.
func (l *Link) Silence(d Direction) error {
	return l.poison(d, "timeout", map[string]int64{"timeout": 0})
}

// Slow delays the bytes of one direction by latency, give or take jitter.
func (l *Link) Slow(d Direction, latency, jitter time.Duration) error {
	return l.poison(d, "latency", map[string]int64{"latency": latency.Milliseconds(), "jitter": jitter.Milliseconds()})
}

// Narrow lets so many kilobytes per second pass in one direction.
func (l *Link) Narrow(d Direction, perSecond int64) error {
	return l.poison(d, "bandwidth", map[string]int64{"rate": perSecond})
}

// Heal takes everything back. Connections that bytes were swallowed on end.
func (l *Link) Heal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range l.toxics {
		if err := l.patiently(func() error { return l.proxy.Toxics.RemoveToxic(context.Background(), name) }); err != nil {
			return fmt.Errorf("heal link %s: %w", l.name, err)
		}
	}
	l.toxics = nil
	if !l.cut {
		return nil
	}
	l.cut = false
	if err := l.patiently(l.proxy.Start); err != nil {
		return fmt.Errorf("heal link %s: %w", l.name, err)
	}
	return nil
}

func (l *Link) poison(d Direction, kind string, attributes map[string]int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := kind + "-" + string(d)
	spec, err := json.Marshal(map[string]any{"name": name, "type": kind, "stream": d, "attributes": attributes})
	if err != nil {
		panic("bug: " + err.Error())
	}
	err = l.patiently(func() error {
		_, err := l.proxy.Toxics.AddToxicJson(bytes.NewReader(spec))
		return err
	})
	if err != nil {
		return fmt.Errorf("link %s: %s: %w", l.name, name, err)
	}
	l.toxics = append(l.toxics, name)
	return nil
}

// patience bounds what a proxy may take to change: it waits for chunks under way,
// which a paused process may not take.
const patience = 30 * time.Second

func (l *Link) patiently(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		return fmt.Errorf("the proxy did not change within %v", patience)
	}
}

// Address returns where the link listens.
func (l *Link) Address() string { return l.address }
