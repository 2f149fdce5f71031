// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package page

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"go.etcd.io/etcd/client/pkg/v3/verify"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/tests/v3/framework/integration"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bound is much longer than anything takes here.
const bound = 25 * time.Second

// quiet keeps the members' logs out of the test's.
type quiet struct{ *testing.T }

func (quiet) Logf(string, ...any) {}

// startEtcd starts a real etcd member in this process, and returns a client.
func startEtcd(t *testing.T) *clientv3.Client {
	t.Helper()
	integration.BeforeTest(t, integration.WithoutGoLeakDetection())
	// These checks of etcd's own read the whole backend at every write.
	t.Cleanup(verify.DisableVerifications())
	clus := integration.NewCluster(quiet{t}, &integration.ClusterConfig{Size: 1})
	t.Cleanup(func() { clus.Terminate(nil) })
	client, err := clientv3.New(clientv3.Config{Endpoints: clus.Endpoints(), Logger: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	return client
}

// serve serves a page until the test ends.
func serve(t *testing.T, cfg Config) (s *Server, url string) {
	t.Helper()
	cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	s = New(cfg)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	serveOn(t, s, l)
	return s, "http://" + l.Addr().String()
}

func serveOn(t *testing.T, s *Server, l net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-served:
			require.NoError(t, err)
		case <-time.After(bound):
			require.FailNow(t, "Serve does not return")
		}
		http.DefaultClient.CloseIdleConnections()
	})
}

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	t.Cleanup(cancel)
	return ctx
}

// enter writes a candidate's key, as a waiting candidate does, and returns it.
func enter(t *testing.T, client *clientv3.Client, name, value string) string {
	t.Helper()
	lease, err := client.Grant(bounded(t), 600)
	require.NoError(t, err)
	key := fmt.Sprintf("%s/%x", name, int64(lease.ID))
	_, err = client.Put(bounded(t), key, value, clientv3.WithLease(lease.ID))
	require.NoError(t, err)
	return key
}

func revision(t *testing.T, client *clientv3.Client) int64 {
	t.Helper()
	resp, err := client.Get(bounded(t), "revision")
	require.NoError(t, err)
	return resp.Header.Revision
}

// A pipeNet is a network whose connections hold nothing: what one end writes waits
// until the other reads it.
type pipeNet struct {
	accepted chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func newPipeNet() *pipeNet {
	return &pipeNet{accepted: make(chan net.Conn), closed: make(chan struct{})}
}

func (n *pipeNet) Accept() (net.Conn, error) {
	select {
	case c := <-n.accepted:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *pipeNet) Close() error   { n.once.Do(func() { close(n.closed) }); return nil }
func (n *pipeNet) Addr() net.Addr { return &net.TCPAddr{} }

func (n *pipeNet) dial() net.Conn {
	near, far := net.Pipe()
	n.accepted <- far
	return near
}

func (n *pipeNet) client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return n.dial(), nil },
		DisableKeepAlives: true,
	}}
}

// A browser follows the page's stream as the page does.
type browser struct {
	t      *testing.T
	events *bufio.Reader
	hello  hello
	// What it knows.
	contact   *contactFrame
	elections map[string]electionFrame // by name
	leases    map[string][2]int64
	frames    int
}

func follow(t *testing.T, url string) *browser {
	t.Helper()
	return followBy(t, http.DefaultClient, url)
}

func followBy(t *testing.T, client *http.Client, url string) *browser {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/events", nil)
	require.NoError(t, err)
	resp, err := client.Do(request)
	require.NoError(t, err)
	t.Cleanup(func() { cancel(); resp.Body.Close() })
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
	b := &browser{t: t, events: bufio.NewReader(resp.Body), elections: map[string]electionFrame{}, leases: map[string][2]int64{}}
	time.AfterFunc(bound, cancel) // reads return then
	event, data := b.next()
	require.Equal(t, "hello", event)
	require.NoError(t, json.Unmarshal(data, &b.hello))
	return b
}

// next returns the next event.
func (b *browser) next() (event string, data []byte) {
	b.t.Helper()
	for {
		line, err := b.events.ReadString('\n')
		require.NoError(b.t, err)
		switch line = strings.TrimSuffix(line, "\n"); {
		case strings.HasPrefix(line, "event: "):
			event = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			data = []byte(line[len("data: "):])
		case line == "":
			return event, data
		}
	}
}

// waitFor takes in frames until a state is reached.
func (b *browser) waitFor(state string, reached func() bool) {
	b.t.Helper()
	for !reached() {
		_, data := b.next()
		var f frame
		require.NoError(b.t, json.Unmarshal(data, &f), state)
		b.take(f)
	}
}

func (b *browser) take(f frame) {
	b.frames++
	if f.All {
		clear(b.elections)
	}
	if f.Contact != nil {
		b.contact = f.Contact
	}
	for _, text := range f.Elections {
		var e electionFrame
		require.NoError(b.t, json.Unmarshal(text, &e))
		b.elections[e.Name] = e
	}
	for id, l := range f.Leases {
		b.leases[id] = l
	}
}

// waitForQueue waits until the queue of an election has these values.
func (b *browser) waitForQueue(name string, values ...string) {
	b.t.Helper()
	b.waitFor(fmt.Sprint(name, values), func() bool {
		var have []string
		for _, c := range b.elections[name].Queue {
			have = append(have, c.Value)
		}
		return strings.Join(have, ",") == strings.Join(values, ",") && b.contact != nil && b.contact.OK
	})
}
