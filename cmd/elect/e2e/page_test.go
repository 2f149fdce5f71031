// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// How the page says how it stands.
const (
	live = `document.querySelector('#contact').dataset.state === 'live'`
	away = `document.querySelector('#contact').dataset.state === 'away'`
	cut  = `document.querySelector('#contact').dataset.state === 'cut'`
)

func TestThePageShowsWhoLeadsAndWhoWaits(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	p := open(t, e.serve(t.Name()).url)
	p.waitFor(live)
	p.waitFor(`document.querySelector('#empty').textContent.startsWith('There are no elections')`)

	name := t.Name() + "/jobs"
	first := e.enter(name, "first").leads()
	p.waitFor(leaderIs(name, "first"))
	second := e.enter(name, "second")
	e.enter(name, "third")
	p.waitFor(queueIs(name, "first", "second", "third"))
	e.enter(t.Name()+"/another", "fourth").leads()
	p.waitFor(leaderIs(t.Name()+"/another", "fourth"))
	require.Equal(t, "2 elections", ask[string](p, `document.querySelector('#count').textContent`))

	require.NoError(t, first.Proclaim(t.Context(), "first, with news"))
	p.waitFor(leaderIs(name, "first, with news"))
	require.NoError(t, first.Resign(t.Context()))
	second.leads()
	p.waitFor(queueIs(name, "second", "third"))
	p.waitFor(section(name) + `.querySelectorAll('.lane .reign').length === 2`)
	p.waitFor(section(name) + `.querySelector('.lane').ariaLabel.includes('second from')`)
	p.waitFor(`/^5\d of 60 s$/.test(` + section(name) + `.querySelector('.left .text').textContent)`)
}

func TestThePageSaysHowManyMoreWait(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	p := open(t, e.serve(t.Name()).url)
	p.waitFor(live)
	name := t.Name() + "/crowd"
	more := section(name) + `?.querySelector('.more')`
	for range 50 {
		e.queueUp(name)
	}
	p.waitFor(section(name) + `?.querySelectorAll('.queue tbody tr').length === 50`)
	require.False(t, ask[bool](p, more+`.checkVisibility()`))
	for range 3 {
		e.queueUp(name)
	}
	p.waitFor(more + `.checkVisibility()`)
	p.waitFor(more + `.textContent === 'and 3 more'`)
	require.Equal(t, float64(50), ask[float64](p, section(name)+`.querySelectorAll('.queue tbody tr').length`))
}

func TestAHandoverIsSeenWithinASecond(t *testing.T) {
	e := sharedEtcd(t)
	name := t.Name()
	queue := []*candidate{}
	for _, value := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		queue = append(queue, e.enter(name, value))
	}
	queue[0].leads()
	p := open(t, e.serve(name).url)
	p.waitFor(leaderIs(name, "a"))
	var took []time.Duration
	for i, c := range queue[:len(queue)-1] {
		begin := time.Now()
		require.NoError(t, c.Resign(t.Context()))
		p.waitFor(leaderIs(name, queue[i+1].value))
		took = append(took, time.Since(begin))
		queue[i+1].leads()
	}
	slices.Sort(took)
	t.Logf("median %v, longest %v", took[len(took)/2], took[len(took)-1])
	require.Less(t, took[len(took)/2], time.Second)
}

func TestTheLastLeaderStaysOnTheTimeline(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	p := open(t, e.serve(t.Name()).url)
	p.waitFor(live)
	c := e.enter(t.Name(), "gone soon").leads()
	p.waitFor(leaderIs(t.Name(), "gone soon"))
	require.NoError(t, c.Resign(t.Context()))
	p.waitFor(leaderIs(t.Name(), "nobody leads"))
	require.Equal(t, "gone soon", ask[string](p, section(t.Name())+`.querySelector('.reign').textContent`))
	p.do(chromedp.Click(`.history summary`))
	p.waitFor(`document.querySelector('.history tbody .who')?.textContent === 'gone soon'`)
}

func TestThePageHealsAfterItsServerRestarted(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	name := t.Name()
	first := e.enter(name, "first").leads()
	second := e.enter(name, "second")
	s := e.serve(name)
	p := open(t, s.url)
	p.waitFor(leaderIs(name, "first"))
	s.stop()
	p.waitFor(cut)
	require.Contains(t, p.text(), "No connection to the server of this page")
	require.True(t, ask[bool](p, leaderIs(name, "first")), "what was known stays")

	require.NoError(t, first.Resign(t.Context()))
	second.leads()
	e.serve(name, "--listen", s.address())
	p.waitFor(live)
	p.waitFor(queueIs(name, "second"))
	require.Equal(t, float64(1), ask[float64](p, `document.querySelectorAll('.reign').length`), "the new server has seen one leader")
}

func TestThePageShowsThatEtcdIsAway(t *testing.T) {
	t.Parallel()
	e := ownEtcd(t)
	name := t.Name()
	first := e.enter(name, "first").leads()
	second := e.enter(name, "second")
	p := open(t, e.serve().url)
	p.waitFor(`document.querySelector('.left .text')?.textContent.includes('of 60 s')`)
	e.stop()
	p.waitFor(away)
	p.waitFor(`document.querySelector('.left .text').textContent === '?'`)
	require.Contains(t, p.text(), "etcd is away since")
	require.True(t, ask[bool](p, leaderIs(name, "first")), "what was known stays")
	p.keep("away")

	require.NoError(t, e.start())
	p.waitFor(live)
	p.waitFor(`document.querySelectorAll('.absence').length === 1`)
	require.NoError(t, first.Resign(t.Context()))
	second.leads()
	p.waitFor(leaderIs(name, "second"))
}

func TestAReadOnlyPageWritesNothing(t *testing.T) {
	e := sharedEtcd(t)
	name := t.Name()
	c := e.enter(name, "first").leads()
	e.enter(name, "second")
	before := e.revision()
	s := e.serve(name)
	p := open(t, s.url)
	p.waitFor(queueIs(name, "first", "second"))
	require.Zero(t, ask[float64](p, `[...document.querySelectorAll('button')].filter((b) => b.checkVisibility()).length`))
	p.do(
		chromedp.Click(`.history summary`),
		chromedp.SendKeys(`#filter`, "first"),
		chromedp.SetValue(`#window`, "60"),
	)
	key := c.who()
	for _, request := range []string{
		`'evict', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({id: ` + quoteKey(key.Key) + `, rev: 1})}`,
		`'events', {method: 'POST', body: '{}'}`,
		`'./', {method: 'DELETE'}`,
	} {
		status := p.fetched(request)
		require.Contains(t, []int{http.StatusForbidden, http.StatusMethodNotAllowed}, status)
	}
	time.Sleep(time.Second) // for what might be written in the background
	require.Equal(t, before, e.revision())
}

func TestAnEvictionIsConfirmedInThePage(t *testing.T) {
	e := sharedEtcd(t)
	name := t.Name()
	first := e.enter(name, "first").leads()
	second := e.enter(name, "second")
	s := e.serve("--allow-evict", name)
	p := open(t, s.url)
	p.waitFor(queueIs(name, "first", "second"))
	before := e.revision()

	p.do(chromedp.Click(`tr.first button`))
	p.waitFor(`document.querySelector('#confirm').open`)
	require.Contains(t, p.text(), "first leads "+name)
	require.Contains(t, p.text(), "Next is second.")
	require.Equal(t, "confirm-no", ask[string](p, `document.activeElement.id`), "Enter cancels")
	p.keep("confirm")
	p.do(chromedp.KeyEvent("\r"))
	p.waitFor(`!document.querySelector('#confirm').open`)
	require.Equal(t, before, e.revision())

	term := first.Term()
	p.do(chromedp.Click(`tr.first button`), chromedp.Click(`#confirm-yes`))
	p.waitFor(leaderIs(name, "second"))
	p.waitFor(`!document.querySelector('#confirm').open`)
	second.leads()
	select {
	case <-term.Done():
	case <-time.After(bound):
		require.FailNow(t, "the evicted leader does not hear of it")
	}

	t.Run("AndRefusedIfTheCandidacyHasEnded", func(t *testing.T) {
		third := e.enter(name, "third")
		p.waitFor(queueIs(name, "second", "third"))
		p.do(chromedp.Click(`tr.first button`))
		p.waitFor(`document.querySelector('#confirm').open`)
		require.NoError(t, second.Resign(t.Context()))
		third.leads()
		p.waitFor(leaderIs(name, "third"))
		p.do(chromedp.Click(`#confirm-yes`))
		p.waitFor(`document.querySelector('#confirm-error').checkVisibility()`)
		require.Contains(t, p.text(), "gone already")
		p.do(chromedp.Click(`#confirm-no`))
		require.True(t, ask[bool](p, queueIs(name, "third")))
	})
}

func TestAnotherSiteCannotEvictOrRead(t *testing.T) {
	e := sharedEtcd(t)
	name := t.Name()
	c := e.enter(name, "first").leads().who()
	s := e.serve("--allow-evict", name)
	before := e.revision()

	p := openForeign(t)
	url := `'` + s.url + `/evict'`
	body := `JSON.stringify({id: ` + quoteKey(c.Key) + `, rev: 1})`
	for _, request := range []string{
		url + `, {method: 'POST', mode: 'no-cors', body: ` + body + `}`,
		url + `, {method: 'POST', headers: {'Content-Type': 'application/json', 'X-Elect-Token': 'guessed'}, body: ` + body + `}`,
		`'` + s.url + `/events'`,
		`'` + s.url + `/'`,
	} {
		status := p.fetched(request)
		require.Contains(t, []int{0, -1}, status, "the other site reads an answer: %s", request)
	}
	require.Equal(t, before, e.revision())

	// By a name that leads here, as a site can make its own do.
	resp, err := http.Get(strings.Replace(s.url, "127.0.0.1", "localhost", 1))
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	request, err := http.NewRequest(http.MethodGet, s.url, nil)
	require.NoError(t, err)
	request.Host = "attacker.example"
	resp, err = http.DefaultClient.Do(request)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusMisdirectedRequest, resp.StatusCode)
}

func TestHostileNamesAndValuesAreText(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	for _, value := range []string{
		`<script>window.hacked = 1</script>`,
		`<img src=x onerror="window.hacked = 1">`,
		`"><svg onload=window.hacked=1>`,
		`__proto__`,
	} {
		e.enter(t.Name()+"/"+value, value).leads()
		e.enter(t.Name()+"/"+value, value+"2")
	}
	e.enter(t.Name()+"/\x1b[31m\u202e\xff", "\x1b[2J\u202egnp.exe\xff\x00").leads()
	p := open(t, e.serve("--allow-evict", t.Name()).url)
	p.waitFor(`document.querySelectorAll('.election').length === 5`)
	p.waitFor(leaderIs(t.Name()+"/<script>window.hacked = 1</script>", "<script>window.hacked = 1</script>"))
	p.waitFor(`[...document.querySelectorAll('.leader')].some((v) => v.textContent === ` + "`" + `"\\x1b[2J\\u202egnp.exe\\xff\\x00"` + "`" + `)`)
	p.do(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll('.history').forEach((h) => { h.open = true; })`))
	p.waitFor(`document.querySelectorAll('.history tbody tr').length === 5`)
	p.do(chromedp.Click(`tr.first button`))
	p.waitFor(`document.querySelector('#confirm').open`)
	require.False(t, ask[bool](p, `'hacked' in window`))
	require.Equal(t, float64(1), ask[float64](p, `document.scripts.length`))
	require.Zero(t, ask[float64](p, `document.querySelectorAll('img, svg').length`))
	require.False(t, ask[bool](p, `/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/.test(document.documentElement.textContent)`))
}

func TestTheFilterShowsWhatItNames(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	e.enter(t.Name()+"/apples", "host-1").leads()
	e.enter(t.Name()+"/pears", "host-2").leads()
	p := open(t, e.serve(t.Name()).url)
	p.waitFor(`document.querySelectorAll('.election').length === 2`)
	p.do(chromedp.SendKeys(`#filter`, "PEAR"))
	p.waitFor(`[...document.querySelectorAll('.election')].filter((e) => e.checkVisibility()).length === 1`)
	require.Contains(t, p.text(), "pears")
	require.NotContains(t, p.text(), "apples")
}
