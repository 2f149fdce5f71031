// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package page

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	clientv3 "go.etcd.io/etcd/client/v3"
)

func TestABrowserFollows(t *testing.T) {
	client := startEtcd(t)
	first := enter(t, client, "jobs", "first")
	_, url := serve(t, Config{Client: client})
	b := follow(t, url)
	b.waitForQueue("jobs", "first")
	require.Empty(t, b.hello.Token, "there is nothing to evict by")
	enter(t, client, "jobs", "second")
	b.waitForQueue("jobs", "first", "second")
	_, err := client.Delete(t.Context(), first)
	require.NoError(t, err)
	b.waitForQueue("jobs", "second")
	b.waitFor("the time left", func() bool {
		l, ok := b.leases[b.elections["jobs"].Queue[0].Lease]
		return ok && l[1] == 600_000 && time.UnixMilli(l[0]).After(time.Now().Add(500*time.Second))
	})
}

// counted counts what a client asks etcd for.
type counted struct {
	clientv3.KV
	clientv3.Watcher
	clientv3.Lease
	reads, watches, leases atomic.Int64
}

func (c *counted) Get(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	c.reads.Add(1)
	return c.KV.Get(ctx, key, opts...)
}

func (c *counted) Watch(ctx context.Context, key string, opts ...clientv3.OpOption) clientv3.WatchChan {
	c.watches.Add(1)
	return c.Watcher.Watch(ctx, key, opts...)
}

func (c *counted) TimeToLive(ctx context.Context, id clientv3.LeaseID, opts ...clientv3.LeaseOption) (*clientv3.LeaseTimeToLiveResponse, error) {
	c.leases.Add(1)
	return c.Lease.TimeToLive(ctx, id, opts...)
}

func (c *counted) Close() error { return nil }

func TestManyBrowsersCostEtcdNoMoreThanOne(t *testing.T) {
	plain := startEtcd(t)
	c := &counted{KV: plain.KV, Watcher: plain.Watcher, Lease: plain.Lease}
	client := clientv3.NewCtxClient(plain.Ctx())
	client.KV, client.Watcher, client.Lease = c, c, c
	first := enter(t, plain, "jobs", "first")
	enter(t, plain, "jobs", "second")
	_, url := serve(t, Config{Client: client})
	time.Sleep(2 * leaseRound)
	require.Zero(t, c.leases.Load(), "nobody looks")

	begin := time.Now()
	var bs []*browser
	for range 50 {
		b := follow(t, url)
		b.waitForQueue("jobs", "first", "second")
		bs = append(bs, b)
	}
	_, err := plain.Delete(t.Context(), first)
	require.NoError(t, err)
	for _, b := range bs {
		b.waitForQueue("jobs", "second")
		b.waitFor("the time left", func() bool { return len(b.leases) > 0 })
	}
	require.EqualValues(t, 1, c.watches.Load())
	require.EqualValues(t, 1, c.reads.Load())
	rounds := 1 + int64(time.Since(begin)/leasePause)
	require.LessOrEqual(t, c.leases.Load(), 2*(rounds+1), "for two leases")
}

func TestABrowserThatDoesNotReadHoldsUpNobody(t *testing.T) {
	client := startEtcd(t)
	s := New(Config{Client: client, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	pipes := newPipeNet()
	serveOn(t, s, pipes)
	stuck := pipes.dial()
	defer stuck.Close()
	_, err := io.WriteString(stuck, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)

	b := followBy(t, pipes.client(), "http://localhost")
	for i := range 100 {
		enter(t, client, fmt.Sprintf("jobs-%d", i), "")
	}
	b.waitFor("the last", func() bool { return len(b.elections) == 100 })
	require.Less(t, b.frames, 100, "changes are put together")
	require.Len(t, s.streams, 2, "the other one is still there")
}

func TestAStreamLastsLongerThanARequestMayTake(t *testing.T) {
	client := startEtcd(t)
	s := New(Config{Client: client, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	s.patience = 200 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	serveOn(t, s, l)
	b := follow(t, "http://"+l.Addr().String())
	b.waitFor("etcd", func() bool { return b.contact != nil && b.contact.OK })
	time.Sleep(2 * s.patience)
	enter(t, client, "jobs", "first")
	b.waitForQueue("jobs", "first")
}

func TestServeEndsWithItsContext(t *testing.T) {
	client := startEtcd(t)
	_, url := serve(t, Config{Client: client}) // its clean-up checks the end
	follow(t, url)
}

func TestThePageMayDoNothingButWhatItNeeds(t *testing.T) {
	client := startEtcd(t)
	_, url := serve(t, Config{Client: client})
	for path, kind := range map[string]string{
		"/": "text/html", "/page.js": "text/javascript", "/page.css": "text/css", "/icon.svg": "image/svg+xml",
	} {
		resp, err := http.Get(url + path)
		require.NoError(t, err)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, http.StatusOK, resp.StatusCode, path)
		require.True(t, strings.HasPrefix(resp.Header.Get("Content-Type"), kind), resp.Header.Get("Content-Type"))
		policy := resp.Header.Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'")
		require.NotContains(t, policy, "unsafe")
		require.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"))
		require.NotContains(t, string(text), "innerHTML")
		require.NotContains(t, string(text), " style=", "the policy forbids it")
		for _, word := range []string{"http://", "https://"} {
			require.NotContains(t, strings.ReplaceAll(string(text), "http://www.w3.org/2000/svg", ""), word, "nothing from elsewhere")
		}
	}
	for _, path := range []string{"/assets/page.js", "/nothing", "/../go.mod"} {
		resp, err := http.Get(url + path)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, http.StatusNotFound, resp.StatusCode, path)
	}
}

func TestKnownHosts(t *testing.T) {
	s := New(Config{Hosts: []string{"elect.example"}})
	for host, known := range map[string]bool{
		"localhost": true, "localhost:80": true, "LOCALHOST.:80": true, "127.0.0.1:2390": true, "10.1.2.3": true,
		"[::1]:2390": true, "[::1]": true, "elect.example": true, "Elect.Example:443": true,
		"attacker.example": false, "localhost.attacker.example": false, "127.0.0.1.attacker.example:2390": false,
		"elect.example.attacker.example": false, "": false,
	} {
		require.Equal(t, known, s.knows(host), "%q", host)
	}
}

// An attempt is a request to evict.
type attempt struct {
	url, id, token, origin, site, kind, host string
	rev                                      int64
}

func (a attempt) send(t *testing.T) (status int, answer string) {
	t.Helper()
	body := strings.NewReader(fmt.Sprintf(`{"id": %q, "rev": %d}`, a.id, a.rev))
	request, err := http.NewRequestWithContext(bounded(t), http.MethodPost, a.url+"/evict", body)
	require.NoError(t, err)
	for name, value := range map[string]string{"Content-Type": a.kind, tokenHeader: a.token, "Origin": a.origin, "Sec-Fetch-Site": a.site} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	request.Host = a.host
	resp, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, strings.TrimSpace(string(text))
}

func TestAnEvictionHasToComeFromThePage(t *testing.T) {
	client := startEtcd(t)
	enter(t, client, "jobs", "first")
	enter(t, client, "jobs", "second")
	stray := "jobs/stray"
	_, err := client.Put(t.Context(), stray, "")
	require.NoError(t, err)
	_, url := serve(t, Config{Client: client, AllowEvict: true, Prefix: "jobs"})
	b := follow(t, url)
	b.waitForQueue("jobs", "first", "second")
	leader := b.elections["jobs"].Queue[0]
	good := attempt{url: url, id: leader.ID, rev: leader.Rev, token: b.hello.Token, origin: url, site: "same-origin", kind: "application/json"}
	before := revision(t, client)

	for name, c := range map[string]struct {
		change func(*attempt)
		status int
	}{
		"WithoutAnOrigin":         {func(a *attempt) { a.origin = "" }, http.StatusForbidden},
		"FromAnotherOrigin":       {func(a *attempt) { a.origin, a.site = "http://attacker.example", "" }, http.StatusForbidden},
		"FromAnotherPort":         {func(a *attempt) { a.origin, a.site = "http://127.0.0.1:1", "same-site" }, http.StatusForbidden},
		"FromNoOrigin":            {func(a *attempt) { a.origin, a.site = "null", "" }, http.StatusForbidden},
		"FromAnotherSite":         {func(a *attempt) { a.site = "cross-site" }, http.StatusForbidden},
		"WithoutAToken":           {func(a *attempt) { a.token = "" }, http.StatusForbidden},
		"WithAWrongToken":         {func(a *attempt) { a.token += "x" }, http.StatusForbidden},
		"AsAFormWouldSendIt":      {func(a *attempt) { a.kind = "text/plain" }, http.StatusForbidden},
		"ByAnotherName":           {func(a *attempt) { a.host, a.origin = "attacker.example", "http://attacker.example" }, http.StatusMisdirectedRequest},
		"OfAnotherTerm":           {func(a *attempt) { a.rev-- }, http.StatusConflict},
		"OfAKeyThatIsNoCandidate": {func(a *attempt) { a.id = base64.RawURLEncoding.EncodeToString([]byte(stray)) }, http.StatusConflict},
		"OfNothing":               {func(a *attempt) { a.id = "?" }, http.StatusBadRequest},
	} {
		t.Run(name+"IsRefused", func(t *testing.T) {
			a := good
			c.change(&a)
			status, answer := a.send(t)
			require.Equal(t, c.status, status, answer)
			require.NotEmpty(t, answer)
			require.Equal(t, before, revision(t, client), "nothing was written")
		})
	}

	status, answer := good.send(t)
	require.Equal(t, http.StatusNoContent, status, answer)
	b.waitForQueue("jobs", "second")
	status, _ = good.send(t)
	require.Equal(t, http.StatusConflict, status, "it is gone")
}

func TestAReadOnlyPageRefusesEvictions(t *testing.T) {
	client := startEtcd(t)
	enter(t, client, "jobs", "first")
	s, url := serve(t, Config{Client: client})
	b := follow(t, url)
	b.waitForQueue("jobs", "first")
	leader := b.elections["jobs"].Queue[0]
	before := revision(t, client)
	status, answer := attempt{url: url, id: leader.ID, rev: leader.Rev, token: s.token, origin: url, site: "same-origin", kind: "application/json"}.send(t)
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, answer, "--allow-evict")
	require.Equal(t, before, revision(t, client))
}

func TestNamesAndValuesAreAnyBytes(t *testing.T) {
	client := startEtcd(t)
	enter(t, client, "\xff\x1b[31m", "</script>\x00\u202e\xfe")
	_, url := serve(t, Config{Client: client})
	b := follow(t, url)
	b.waitFor("the election", func() bool { return len(b.elections) == 1 })
	for name, e := range b.elections {
		require.Equal(t, `"\xff\x1b[31m"`, name)
		require.Equal(t, `"</script>\x00\u202e\xfe"`, e.Queue[0].Value)
	}
}
