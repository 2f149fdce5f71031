// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// enterSome fills an etcd with what a page may have to show.
func enterSome(t *testing.T, e *etcd) {
	prefix := t.Name()
	first := e.enter(prefix+"/jobs/cleaner", "host-1.eu-west.example").leads()
	e.enter(prefix+"/jobs/cleaner", "host-2.eu-west.example")
	e.enter(prefix+"/jobs/cleaner", "host-3.eu-west.example")
	require.NoError(t, first.Resign(t.Context()))
	e.enter(prefix+"/locks/migrate", "").leads()
	e.enter(prefix+"/jobs/"+strings.Repeat("a-long-name-", 10), strings.Repeat("unbroken", 30)).leads()
	e.enter(prefix+"/jobs/"+strings.Repeat("a-long-name-", 10), "a value of many words, "+strings.Repeat("which go on and on, ", 10))
}

func TestAPhoneNeedsNoScrollingToTheSide(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	enterSome(t, e)
	s := e.serve("--allow-evict", t.Name())
	for _, width := range []int64{320, 390} {
		p := open(t, s.url, chromedp.EmulateViewport(width, 740, chromedp.EmulateMobile))
		p.waitFor(`document.querySelectorAll('.election').length === 3`)
		p.waitFor(`document.querySelector('.left .text')?.textContent.includes('of 60 s')`)
		p.keep("phone")
		require.EqualValues(t, width, ask[float64](p, `innerWidth`))
		require.LessOrEqual(t, ask[float64](p, `document.documentElement.scrollWidth`), float64(width))
		for _, part := range []string{".leader", ".lane", ".queue", ".queue button", "#filter"} {
			require.LessOrEqual(t, ask[float64](p, `Math.max(...[...document.querySelectorAll('`+part+`')].map((e) => e.getBoundingClientRect().right))`),
				float64(width), part)
		}
		require.GreaterOrEqual(t, ask[float64](p, `Math.min(...[...document.querySelectorAll('.queue button')].map((e) => e.getBoundingClientRect().height))`),
			float64(32), "what is tapped is large enough")
	}
}

// contrasts is the lowest contrast of texts to what is behind them, as WCAG has it.
const contrasts = `(() => {
	const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const parts = (colour) => colour.match(/[\d.]+/g).map(Number);
	const behind = (e) => {
		for (; e; e = e.parentElement) {
			const c = parts(getComputedStyle(e).backgroundColor);
			if (c.length < 4 || c[3] === 1) return c;
		}
		return [255, 255, 255];
	};
	let lowest = [21, ''];
	for (const e of document.querySelectorAll('h1, .name, .leader, .since, .reign:not(.narrow), .axis span, .place, .value, .detail, .left .text, .queue button, label, footer p, #contact')) {
		const [a, b] = [light(parts(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
		const contrast = (a + 0.05) / (b + 0.05);
		if (contrast < lowest[0]) lowest = [contrast, e.className || e.id || e.tagName];
	}
	return lowest.join(' ');
})()`

func TestThePageIsLightOrDarkAsItsReaderPrefers(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	enterSome(t, e)
	p := open(t, e.serve("--allow-evict", t.Name()).url, chromedp.EmulateViewport(1280, 800))
	p.waitFor(`document.querySelectorAll('.election').length === 3`)
	p.waitFor(`document.querySelector('.left .text')?.textContent.includes('of 60 s')`)
	brightness := `getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number)[0]`
	for scheme, bright := range map[string]bool{"light": true, "dark": false} {
		p.prefer(scheme)
		p.waitFor(brightness + map[bool]string{true: ` > 200`, false: ` < 60`}[bright])
		p.keep(scheme)
		lowest := ask[string](p, contrasts)
		t.Log(scheme, lowest)
		require.Greater(t, ask[float64](p, `parseFloat(`+contrasts+`)`), 4.5, "the contrast of %s in %s", lowest, scheme)
	}
}

// TestThePageCanBeReadByItsWords checks what stands for colours and pictures.
func TestThePageCanBeReadByItsWords(t *testing.T) {
	t.Parallel()
	e := sharedEtcd(t)
	enterSome(t, e)
	p := open(t, e.serve("--allow-evict", t.Name()).url)
	p.waitFor(`document.querySelectorAll('.election').length === 3`)
	require.Zero(t, ask[float64](p, `[...document.querySelectorAll('[role=img]')].filter((e) => !e.ariaLabel.includes(' from ')).length`), "timelines without words")
	require.Zero(t, ask[float64](p, `[...document.querySelectorAll('.queue button')].filter((b) => !b.ariaLabel.startsWith('Evict ')).length`), "buttons that do not say whom")
	require.Zero(t, ask[float64](p, `[...document.querySelectorAll('input, select')].filter((c) => c.labels.length === 0).length`), "controls without a label")
	require.Equal(t, "en", ask[string](p, `document.documentElement.lang`))
	require.Equal(t, "live", ask[string](p, `document.querySelector('#contact').textContent`))
	require.Contains(t, ask[string](p, `document.querySelector('tr.first .detail').textContent`), "leads")

	// With the keyboard alone: to the first button, into the dialog and out again.
	p.do(chromedp.Focus(`.queue button`), chromedp.KeyEvent("\r"))
	p.waitFor(`document.querySelector('#confirm').open`)
	p.do(chromedp.KeyEvent("\x1b"))
	p.waitFor(`!document.querySelector('#confirm').open`)
	require.Equal(t, "BUTTON", ask[string](p, `document.activeElement.tagName`), "the focus is where it was")
}
