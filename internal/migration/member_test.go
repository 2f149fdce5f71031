// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

//go:build unix

package migration

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/seed-da5263fb/concurrency/internal/tool"
)

// bound is much longer than anything here takes that ends.
const bound = 30 * time.Second

// A member is a real etcd in this process, with the services that it comes with.
type member struct {
	endpoint string
	client   *clientv3.Client
}

// startMember starts an etcd of one member that lasts until the test ends.
func startMember(t *testing.T) *member {
	t.Helper()
	loopback := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	cfg := embed.NewConfig()
	cfg.Dir = t.TempDir()
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = loopback, loopback
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = loopback, loopback
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	cfg.UnsafeNoFsync = true
	cfg.BcryptCost = 4
	etcd, err := embed.StartEtcd(cfg)
	require.NoError(t, err)
	t.Cleanup(etcd.Close)
	select {
	case <-etcd.Server.ReadyNotify():
	case <-time.After(bound):
		require.Fail(t, "etcd does not become ready")
	}
	m := &member{endpoint: etcd.Clients[0].Addr().String()}
	m.client = m.connect(t, clientv3.Config{})
	return m
}

// connect returns a client that lasts until the test ends.
func (m *member) connect(t *testing.T, cfg clientv3.Config) *clientv3.Client {
	t.Helper()
	cfg.Endpoints = []string{m.endpoint}
	cfg.Logger = zap.NewNop()
	c, err := clientv3.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// limit returns a context that ends with the bound or the test.
func limit(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	t.Cleanup(cancel)
	return ctx
}

// queue returns the keys under a name, in the order in which they were made.
func (m *member) queue(t *testing.T, name string) *clientv3.GetResponse {
	t.Helper()
	resp, err := m.client.Get(limit(t), name+"/", clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByCreateRevision, clientv3.SortAscend))
	require.NoError(t, err)
	return resp
}

// awaitQueue waits until so many keys are under the name, and returns them.
func (m *member) awaitQueue(t *testing.T, name string, n int) *clientv3.GetResponse {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	resp := m.queue(t, name)
	changes := m.client.Watch(ctx, name+"/", clientv3.WithPrefix(), clientv3.WithRev(resp.Header.Revision+1))
	for len(resp.Kvs) != n {
		select {
		case <-changes:
		case <-ctx.Done():
			require.Failf(t, "waited for the queue", "%d in it and not %d: %v", len(resp.Kvs), n, resp.Kvs)
		}
		resp = m.queue(t, name)
	}
	return resp
}

// values returns what the candidates of a queue say.
func values(resp *clientv3.GetResponse) []string {
	var vs []string
	for _, kv := range resp.Kvs {
		vs = append(vs, string(kv.Value))
	}
	return vs
}

// A process is a program that runs, and what it has said so far.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	ended chan struct{}

	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed at the next change
	err     error         // set before ended closes
}

// start runs a program, which is interrupted when the test ends.
func start(t *testing.T, program string, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{t: t, cmd: tool.Command(ctx, "", nil, program, args...), ended: make(chan struct{}), changed: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	_, err := p.cmd.StdinPipe() // its end tells the services that the test is over
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		cancel()
		require.NoError(t, err)
	}
	go func() {
		defer close(p.ended)
		p.err = tool.Wait(ctx, p.cmd)
	}()
	t.Cleanup(func() {
		cancel()
		<-p.ended
	})
	return p
}

// run runs etcdctl for the member.
func (m *member) run(t *testing.T, etcdctl string, args ...string) *process {
	t.Helper()
	return start(t, etcdctl, append([]string{"--endpoints", m.endpoint}, args...)...)
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.changed)
	p.changed = make(chan struct{})
	return p.text.Write(b)
}

// output returns all that was said, and a channel that closes when there is more.
func (p *process) output() (string, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String(), p.changed
}

// hasSaid reports whether a whole line was said.
func (p *process) hasSaid(line string) bool {
	text, _ := p.output()
	return strings.Contains("\n"+text, "\n"+line+"\n")
}

// awaitLine waits until a line was said.
func (p *process) awaitLine(line string) {
	p.t.Helper()
	p.awaitMatch(func(said string) bool { return said == line })
}

// awaitMatch waits until a line was said that matches, and returns it.
func (p *process) awaitMatch(match func(line string) bool) string {
	p.t.Helper()
	timeout := time.After(bound)
	for {
		text, more := p.output()
		for line := range strings.Lines(text) {
			if whole, ok := strings.CutSuffix(line, "\n"); ok && match(whole) {
				return whole
			}
		}
		select {
		case <-p.ended:
			if now, _ := p.output(); now == text {
				require.Failf(p.t, "ended without saying it", "%v: %s", p.cmd.Args, text)
			}
		case <-more:
		case <-timeout:
			require.Failf(p.t, "waited for a line", "%v has said: %s", p.cmd.Args, text)
		}
	}
}

func (p *process) signal(sig syscall.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(sig))
}

// awaitEnd waits until the program ends, and returns the exit code.
func (p *process) awaitEnd() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(bound):
		text, _ := p.output()
		require.Failf(p.t, "waited for an end", "%v: %s", p.cmd.Args, text)
	}
	return p.cmd.ProcessState.ExitCode()
}

// keyOf returns the key that a lease competes with.
func keyOf(name string, lease int64) string { return fmt.Sprintf("%s/%x", name, lease) }
