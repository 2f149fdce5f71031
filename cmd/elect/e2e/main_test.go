// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package e2e

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/seed-da5263fb/concurrency"
)

// bound is much longer than anything takes here.
const bound = 25 * time.Second

var screenshots = flag.String("screenshots", "", "keep pictures of the page in this folder")

// tmp is where all that outlives a test is: the program and the browser's profile.
var tmp string

// browser is the browser of all tests; each test has a profile of its own in it.
var browser context.Context

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		var err error
		if tmp, err = os.MkdirTemp("", "elect-e2e-"); err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(tmp) }()
		if path := chromium(); path != "" {
			options := append(chromedp.DefaultExecAllocatorOptions[:],
				chromedp.ExecPath(path),
				chromedp.UserDataDir(filepath.Join(tmp, "profile")),
				chromedp.NoSandbox, // it does not start as root otherwise
				chromedp.DisableGPU,
				chromedp.Flag("disable-quic", true),
				chromedp.Flag("disable-component-update", true),
				chromedp.Flag("disable-sync", true),
				chromedp.Flag("no-first-run", true),
				// Nothing but loopback is asked for, whatever a page may hold.
				chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"),
			)
			allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
			defer stop()
			var cancel context.CancelFunc
			browser, cancel = chromedp.NewContext(allocator)
			defer cancel()
			if _, err := chromedp.Run(browser, chromedp.Evaluate[int]("1")); err != nil {
				panic(fmt.Sprintf("%s does not start: %v", path, err))
			}
		}
		code := m.Run()
		if shared.cluster != nil {
			shared.cluster.close()
		}
		return code
	}())
}

// chromium returns the path of the browser; empty if there is none.
func chromium() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// build returns the path of elect, built once for all tests.
var build = sync.OnceValues(func() (string, error) {
	path := filepath.Join(tmp, "elect")
	cmd := exec.Command("go", "build", "-o", path, ".")
	cmd.Dir = ".." // in the root module, as its users build it
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.New(string(out))
	}
	return path, nil
})

// An etcd is a server that can be stopped and started again, as one test sees it.
type etcd struct {
	*testing.T
	*cluster
}

type cluster struct {
	config *embed.Config
	server *embed.Etcd
	client *clientv3.Client
}

// shared is the etcd of the tests that leave it as it is, each with names of its own.
// Tests that look at its revision do not run beside others.
var shared struct {
	once    sync.Once
	cluster *cluster
	err     error
}

func sharedEtcd(t *testing.T) *etcd {
	t.Helper()
	needBrowser(t)
	shared.once.Do(func() { shared.cluster, shared.err = newCluster(filepath.Join(tmp, "etcd")) })
	require.NoError(t, shared.err)
	return &etcd{t, shared.cluster}
}

// ownEtcd returns an etcd that the test may stop.
func ownEtcd(t *testing.T) *etcd {
	t.Helper()
	needBrowser(t)
	c, err := newCluster(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(c.close)
	return &etcd{t, c}
}

func needBrowser(t *testing.T) {
	if browser == nil {
		t.Skip("no Chromium is installed: apt-get install chromium")
	}
}

func newCluster(dir string) (*cluster, error) {
	cfg := embed.NewConfig()
	cfg.Dir = dir
	cfg.LogLevel = "fatal"
	cfg.UnsafeNoFsync = true
	cfg.TickMs, cfg.ElectionMs = 20, 200 // it starts sooner
	c := &cluster{config: cfg}
	var err error
	// A free port may be taken by somebody else before the server listens on it.
	for range 5 {
		var client, peer url.URL
		if client, err = freeURL(); err != nil {
			return nil, err
		}
		if peer, err = freeURL(); err != nil {
			return nil, err
		}
		cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
		cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
		cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
		if err = c.start(); !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	c.client, err = clientv3.New(clientv3.Config{Endpoints: []string{c.endpoint()}, Logger: zap.NewNop()})
	return c, err
}

func (c *cluster) close() {
	c.client.Close()
	c.stop()
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

func (c *cluster) endpoint() string { return c.config.ListenClientUrls[0].Host }

func (c *cluster) start() error {
	server, err := embed.StartEtcd(c.config)
	if err != nil {
		return err
	}
	c.server = server
	select {
	case <-server.Server.ReadyNotify():
		return nil
	case <-time.After(bound):
		return errors.New("etcd does not start")
	}
}

func (c *cluster) stop() {
	if c.server != nil {
		c.server.Server.HardStop() // without waiting for who is connected
		c.server.Close()
		c.server = nil
	}
}

// revision returns that of the last write.
func (e *etcd) revision() int64 {
	resp, err := e.client.Get(e.Context(), "revision")
	require.NoError(e, err)
	return resp.Header.Revision
}

// A candidate is in an election until the test ends.
type candidate struct {
	*etcd
	*concurrency.Election
	value string
	led   chan error
}

// enter returns a candidate that is in the queue, as the last one.
func (e *etcd) enter(name, value string) *candidate {
	e.Helper()
	s, err := concurrency.NewSession(e.client, concurrency.WithTTL(60))
	require.NoError(e, err)
	c := &candidate{etcd: e, Election: concurrency.NewElection(s, name), value: value, led: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { c.led <- c.Campaign(ctx, value) }()
	e.Cleanup(func() {
		cancel()
		s.Close()
	})
	c.eventually("in the queue", func() bool {
		cs, err := c.Candidates(e.Context())
		return err == nil && len(cs) > 0 && cs[len(cs)-1].Lease == s.Lease()
	})
	return c
}

// queueUp puts a candidate's key into a queue, until the test ends.
func (e *etcd) queueUp(name string) {
	e.Helper()
	lease, err := e.client.Grant(e.Context(), 600)
	require.NoError(e, err)
	_, err = e.client.Put(e.Context(), fmt.Sprintf("%s/%x", name, int64(lease.ID)), "", clientv3.WithLease(lease.ID))
	require.NoError(e, err)
	e.Cleanup(func() { _, _ = e.client.Revoke(context.Background(), lease.ID) })
}

// who returns the candidate's key and revision, as etcd has them.
func (c *candidate) who() concurrency.Candidate {
	c.Helper()
	cs, err := c.Candidates(c.Context())
	require.NoError(c, err)
	for _, other := range cs {
		if other.Value == c.value {
			return other
		}
	}
	require.FailNow(c, c.value+" is not in")
	panic("unreachable")
}

// leads waits until the candidate leads.
func (c *candidate) leads() *candidate {
	c.Helper()
	select {
	case err := <-c.led:
		require.NoError(c, err)
	case <-time.After(bound):
		require.FailNow(c, c.value+" does not lead")
	}
	return c
}

func (e *etcd) eventually(state string, reached func() bool) {
	e.Helper()
	for end := time.Now().Add(bound); !reached(); time.Sleep(5 * time.Millisecond) {
		require.True(e, time.Now().Before(end), "never reached: %s", state)
	}
}

// A server is elect serve, as a process.
type server struct {
	t   *testing.T
	cmd *exec.Cmd
	url string
}

// serve starts the page's server.
func (e *etcd) serve(args ...string) *server {
	e.Helper()
	path, err := build()
	require.NoError(e, err)
	s := &server{t: e.T}
	s.cmd = exec.Command(path, append([]string{"serve", "--listen", "127.0.0.1:0", "--endpoints", e.endpoint()}, args...)...)
	s.cmd.Stderr = io.Discard
	pipe, err := s.cmd.StdoutPipe()
	require.NoError(e, err)
	require.NoError(e, s.cmd.Start())
	e.Cleanup(s.stop)
	line, err := bufio.NewReader(pipe).ReadString('\n')
	require.NoError(e, err)
	var found bool
	s.url, found = strings.CutPrefix(strings.TrimSpace(line), "serving ")
	require.True(e, found, line)
	return s
}

// stop ends the server, which has to clean up and exit with 0.
func (s *server) stop() {
	if s.cmd.ProcessState != nil {
		return
	}
	require.NoError(s.t, s.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(s.t, s.cmd.Wait())
}

// address is where it listens.
func (s *server) address() string { return strings.TrimPrefix(s.url, "http://") }

// A tab shows the page.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// open opens the page in a new tab, of a profile of its own.
func open(t *testing.T, url string, before ...action) *tab {
	t.Helper()
	p := newTab(t)
	p.watchConsole()
	p.do(append(before, chromedp.Navigate(url))...)
	return p
}

func newTab(t *testing.T) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	// The first use of a tab's context ties the tab to it, and not to a bound.
	_, err := chromedp.Run(ctx, chromedp.Evaluate[int]("1"))
	require.NoError(t, err)
	return &tab{t, ctx}
}

// watchConsole fails the test if the browser has something to say against the
// page: an exception, or what its policy forbids. That a request fails is not
// among it; tests have servers away.
func (p *tab) watchConsole() {
	ctx, cancel := context.WithCancel(p.ctx)
	said, done := []string{}, make(chan struct{})
	messages := chromedp.Console(ctx)
	go func() {
		defer close(done)
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.Source != "network" {
				said = append(said, m.String())
			}
		}
	}()
	p.t.Cleanup(func() {
		cancel()
		<-done
		require.Empty(p.t, said, "the browser's console")
	})
}

type action = chromedp.Action[chromedp.Void]

// do runs actions, which must not take long.
func (p *tab) do(actions ...action) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, bound)
	defer cancel()
	require.NoError(p.t, chromedp.Do(ctx, actions...))
}

// ask returns what an expression is in the page.
func ask[T any](p *tab, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, bound)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	require.NoError(p.t, err, expression)
	return v
}

// waitFor waits until an expression is true in the page, and returns how long that
// took.
func (p *tab) waitFor(expression string) time.Duration {
	p.t.Helper()
	begin := time.Now()
	for !ask[bool](p, "Boolean("+expression+")") {
		require.Less(p.t, time.Since(begin), bound, "never true: %s\nthe page shows: %s", expression, p.text())
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(begin)
}

// text returns what can be read on the page.
func (p *tab) text() string {
	p.t.Helper()
	return ask[string](p, `document.body.innerText`)
}

// prefer sets what the reader prefers: light or dark.
func (p *tab) prefer(scheme string) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	require.NoError(p.t, err)
}

// keep keeps a picture of the page, if pictures are wanted.
func (p *tab) keep(name string) {
	if *screenshots == "" {
		return
	}
	picture, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
	require.NoError(p.t, err)
	require.NoError(p.t, os.WriteFile(filepath.Join(*screenshots, name+".png"), picture, 0o644))
}

// section is an expression for the part of the page that shows an election.
func section(name string) string {
	return fmt.Sprintf(`[...document.querySelectorAll('.election')].find((e) => e.querySelector('.name').textContent === %q)`, name)
}

// leaderIs is an expression for who is shown to lead.
func leaderIs(name, value string) string {
	return fmt.Sprintf(`%s?.querySelector('.leader').textContent === %q`, section(name), value)
}

// queueIs is an expression for who is shown to be in, in order.
func queueIs(name string, values ...string) string {
	return fmt.Sprintf(`[...(%s?.querySelectorAll('.queue tbody .value') ?? [])].map((v) => v.textContent).join() === %q`,
		section(name), strings.Join(values, ","))
}

// quoteKey returns a key as the page has it, as a JavaScript string.
func quoteKey(key string) string {
	return "'" + base64.RawURLEncoding.EncodeToString([]byte(key)) + "'"
}

// openForeign opens a page of another site.
func openForeign(t *testing.T) *tab {
	t.Helper()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>another site</title>")
	}))
	t.Cleanup(other.Close)
	p := newTab(t)
	p.do(chromedp.Navigate(strings.Replace(other.URL, "127.0.0.1", "localhost", 1)))
	return p
}

// fetched makes a request from within the page and returns the status of the
// answer; 0 if the page may not read it, -1 if the request failed.
func (p *tab) fetched(arguments string) int {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, bound)
	defer cancel()
	status, err := chromedp.Run(ctx, chromedp.Evaluate[int](
		`fetch(`+arguments+`).then((r) => { r.body?.cancel(); return r.status; }, () => -1)`, chromedp.EvalAwaitPromise))
	require.NoError(p.t, err)
	return status
}
