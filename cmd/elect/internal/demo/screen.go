// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package demo

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// settleTime is how long a line waits for earlier ones: what happens within a
// millisecond is told by several goroutines, in no order.
const settleTime = 40 * time.Millisecond

// refresh is how often lines and status are shown.
const refresh = 50 * time.Millisecond

// A line tells one event.
type line struct {
	at   time.Duration
	who  string
	text string
}

// A screen shows lines in the order of their times, and below them, if it is
// live, a line that is drawn again and again.
type screen struct {
	out    io.Writer
	colour bool
	live   bool
	now    func() time.Duration
	status func() string
	failed func(error) // is told once when out fails

	stop    chan struct{}
	stopped chan struct{}

	mu      sync.Mutex
	pending []line
	buf     bytes.Buffer // what goes out with the next write
	err     error
}

func newScreen(out io.Writer, colour, live bool, now func() time.Duration, failed func(error)) *screen {
	return &screen{
		out: out, colour: colour, live: live, now: now, failed: failed,
		status: func() string { return "" },
		stop:   make(chan struct{}), stopped: make(chan struct{}),
	}
}

// start begins to show. status returns the live line.
func (s *screen) start(status func() string) {
	s.status = status
	go func() {
		defer close(s.stopped)
		tick := time.NewTicker(refresh)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s.show(s.now()-settleTime, s.status())
			case <-s.stop:
				s.show(s.now()+time.Hour, "")
				return
			}
		}
	}()
}

// finish shows what is left and takes the live line away.
func (s *screen) finish() {
	close(s.stop)
	<-s.stopped
}

// say shows that who did something, at a time since the start.
func (s *screen) say(at time.Duration, who, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = append(s.pending, line{at, who, fmt.Sprintf(format, args...)})
}

// show writes the lines up to a time, and status.
func (s *screen) show(until time.Duration, status string) {
	s.mu.Lock()
	slices.SortStableFunc(s.pending, func(a, b line) int { return cmp.Compare(a.at, b.at) })
	n := 0
	for n < len(s.pending) && s.pending[n].at <= until {
		n++
	}
	lines := slices.Clone(s.pending[:n])
	s.pending = slices.Delete(s.pending, 0, n)
	s.mu.Unlock()

	if s.live {
		s.buf.WriteString("\r\x1b[2K")
	}
	for _, l := range lines {
		fmt.Fprintf(&s.buf, "%s  %s  %s\n", s.dim(fmt.Sprintf("%7.3f", l.at.Seconds())), s.name(l.who, 8), s.emphasize(l.text))
	}
	if s.live && status != "" {
		// Without wrapping, so that on a narrow terminal it stays one line.
		s.buf.WriteString("\x1b[?7l" + status + "\x1b[?7h")
	}
	s.write()
}

// text writes text as it is. It is for before start and after finish.
func (s *screen) text(text string) {
	s.buf.WriteString(text)
	s.write()
}

func (s *screen) write() {
	if s.buf.Len() == 0 || s.err != nil {
		return
	}
	if _, err := s.out.Write(s.buf.Bytes()); err != nil {
		s.err = fmt.Errorf("write the output: %w", err)
		s.failed(s.err)
	}
	s.buf.Reset()
}

func (s *screen) paint(code, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s *screen) dim(text string) string { return s.paint("2", text) }

// name returns a name in its own colour, filled up to width.
func (s *screen) name(who string, width int) string {
	padded := fmt.Sprintf("%-*s", width, who)
	if i := slices.Index(names, who); i >= 0 {
		return s.paint([]string{"36", "33", "35", "34", "32"}[i%5], padded)
	}
	return s.dim(padded)
}

// emphasize makes the lines stand out that a reader looks for.
func (s *screen) emphasize(text string) string {
	switch {
	case strings.HasPrefix(text, "LEADS"):
		return s.paint("1;32", "LEADS") + text[len("LEADS"):]
	case strings.HasPrefix(text, "ACT"):
		return s.paint("1", text)
	case strings.HasPrefix(text, "stops leading"):
		return s.paint("1;31", "stops leading") + text[len("stops leading"):]
	}
	return text
}
