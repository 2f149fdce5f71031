// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
)

// An etcd is a real server of one member in this process.
type etcd struct {
	dir    string
	change func(*embed.Config)
	client url.URL
	peer   url.URL
	server *embed.Etcd
}

// newEtcd starts a server; change may change its configuration.
func newEtcd(change func(*embed.Config)) (*etcd, error) {
	dir, err := os.MkdirTemp("", "elect-etcd-")
	if err != nil {
		return nil, err
	}
	e := &etcd{dir: dir, change: change}
	// A free port may be taken by somebody else before the server listens on it.
	for range 5 {
		if e.client, err = freeURL(); err != nil {
			return nil, err
		}
		if e.peer, err = freeURL(); err != nil {
			return nil, err
		}
		if err = e.start(); !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	return e, err
}

// freeURL returns a URL that nobody listens on. Its port is not one that the system
// gives to outgoing connections, which would be in the way of a server that is
// started again.
func freeURL() (url.URL, error) {
	for {
		host := fmt.Sprintf("127.0.0.1:%d", 10000+rand.N(20000))
		l, err := net.Listen("tcp", host)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return url.URL{}, err
		}
		return url.URL{Scheme: "http", Host: host}, l.Close()
	}
}

// start starts the server, anew with what it had.
func (e *etcd) start() error {
	cfg := embed.NewConfig()
	cfg.Dir = e.dir
	cfg.TickMs, cfg.ElectionMs = 20, 200 // for leases of less than two seconds
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{e.client}, []url.URL{e.client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{e.peer}, []url.URL{e.peer}
	cfg.InitialCluster = cfg.Name + "=" + e.peer.String()
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	cfg.UnsafeNoFsync = true
	if e.change != nil {
		e.change(cfg)
	}
	server, err := embed.StartEtcd(cfg)
	if err != nil {
		return err
	}
	e.server = server
	select {
	case <-server.Server.ReadyNotify():
		return nil
	case err := <-server.Err():
		return err
	case <-time.After(time.Minute):
		return errors.New("etcd is not ready after a minute")
	}
}

// stop stops the server; what it has stays for start.
func (e *etcd) stop() {
	if e.server != nil {
		e.server.Server.HardStop()
		e.server.Close()
		e.server = nil
	}
}

func (e *etcd) close() {
	e.stop()
	_ = os.RemoveAll(e.dir)
}

func startEtcd(t *testing.T, change func(*embed.Config)) *etcd {
	t.Helper()
	e, err := newEtcd(change)
	require.NoError(t, err)
	t.Cleanup(e.close)
	return e
}

// shared is the server of all tests that do nothing to it but use names of their own.
var shared struct {
	once sync.Once
	etcd *etcd
	err  error
}

func sharedEtcd(t *testing.T) *etcd {
	t.Helper()
	shared.once.Do(func() { shared.etcd, shared.err = newEtcd(nil) })
	require.NoError(t, shared.err)
	return shared.etcd
}

func stopSharedEtcd() {
	if shared.etcd != nil {
		shared.etcd.close()
	}
}

func (e *etcd) endpoint() string { return e.client.Host }

func (e *etcd) connect(t *testing.T) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{e.endpoint()}, Logger: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// keys returns how many keys there are under a prefix.
func keys(t *testing.T, client *clientv3.Client, prefix string) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	resp, err := client.Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
	require.NoError(t, err)
	return resp.Count
}

// awaitKeys waits until there are n keys under a prefix.
func awaitKeys(t *testing.T, client *clientv3.Client, prefix string, n int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	watch := client.Watch(ctx, prefix, clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	for range watch {
		if keys(t, client, prefix) == n {
			return
		}
	}
	require.Failf(t, "keys not there", "not %d under %s, but %d", n, prefix, keys(t, client, prefix))
}

// awaitDeletion returns a channel that tells when a key under a prefix has gone.
func awaitDeletion(t *testing.T, client *clientv3.Client, prefix string) <-chan time.Time {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	watch := client.Watch(ctx, prefix, clientv3.WithPrefix(), clientv3.WithFilterPut(), clientv3.WithCreatedNotify())
	<-watch
	gone := make(chan time.Time, 1)
	go func() {
		for resp := range watch {
			if len(resp.Events) > 0 {
				gone <- time.Now()
				return
			}
		}
	}()
	return gone
}

// A wire is the network between an elect and etcd. It can be cut: then it swallows
// all bytes and tells nobody.
type wire struct {
	listener net.Listener
	target   string
	cut      atomic.Bool

	mu     sync.Mutex
	conns  []net.Conn
	closed bool
}

func newWire(t *testing.T, target string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &wire{listener: l, target: target}
	var pumps sync.WaitGroup
	pumps.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", target)
			if err != nil {
				_ = near.Close()
				continue
			}
			w.keep(near, far)
			pumps.Go(func() { w.pump(near, far) })
			pumps.Go(func() { w.pump(far, near) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		w.mu.Lock()
		w.closed = true
		w.dropLocked()
		w.mu.Unlock()
		pumps.Wait()
	})
	return w
}

func (w *wire) endpoint() string { return w.listener.Addr().String() }

func (w *wire) silence() { w.cut.Store(true) }

// heal lets new connections through, and ends the old ones, which have lost bytes.
func (w *wire) heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dropLocked()
	w.cut.Store(false)
}

func (w *wire) keep(conns ...net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, conns...)
	if w.closed {
		for _, c := range conns {
			_ = c.Close()
		}
	}
}

func (w *wire) dropLocked() {
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.conns = nil
}

func (w *wire) pump(from, to net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		cut := w.cut.Load()
		if n > 0 && !cut {
			if _, werr := to.Write(buf[:n]); werr != nil {
				err = werr
			}
		}
		if err != nil {
			if !cut { // else drop closes them
				_, _ = from.Close(), to.Close()
			}
			return
		}
	}
}
