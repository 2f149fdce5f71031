// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package demo

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An element is one of the picture, with all that is in it.
type element struct {
	name     string
	attrs    map[string]string
	text     string // its own
	children []*element
}

// draw returns the picture of a history, parsed.
func draw(t *testing.T, h history, failure error) *element {
	t.Helper()
	var svg bytes.Buffer
	require.NoError(t, plot(&svg, h, ttl, failure))
	return parse(t, svg.Bytes())
}

// parse fails the test unless the text is well-formed XML, all of it SVG.
func parse(t *testing.T, svg []byte) *element {
	t.Helper()
	top := &element{}
	open := []*element{top}
	decoder := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		in := open[len(open)-1]
		switch token := token.(type) {
		case xml.StartElement:
			require.Equal(t, "http://www.w3.org/2000/svg", token.Name.Space)
			e := &element{name: token.Name.Local, attrs: map[string]string{}}
			for _, a := range token.Attr {
				e.attrs[a.Name.Local] = a.Value
			}
			in.children = append(in.children, e)
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			in.text += string(token)
		}
	}
	require.Len(t, top.children, 1)
	return top.children[0]
}

// all returns the elements with a name (any if empty) and a class (any if empty).
func (e *element) all(name, class string) []*element {
	var found []*element
	for _, c := range e.children {
		if (name == "" || c.name == name) && (class == "" || strings.Contains(" "+c.attrs["class"]+" ", " "+class+" ")) {
			found = append(found, c)
		}
		found = append(found, c.all(name, class)...)
	}
	return found
}

func (e *element) byID(t *testing.T, id string) *element {
	t.Helper()
	for _, c := range e.all("", "") {
		if c.attrs["id"] == id {
			return c
		}
	}
	require.Fail(t, "no element "+id)
	return nil
}

// texts returns what is written in e.
func (e *element) texts() []string {
	var texts []string
	for _, c := range e.all("text", "") {
		texts = append(texts, c.text)
	}
	return texts
}

func (e *element) number(t *testing.T, attr string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(e.attrs[attr], 64)
	require.NoError(t, err, attr)
	return v
}

// requireSpans checks from when to when, in seconds, bars are. A hundredth of a
// pixel is less than a millisecond.
func requireSpans(t *testing.T, h history, bars []*element, want ...[2]float64) {
	t.Helper()
	at := func(x float64) float64 {
		return (x - plotLeft) / (plotRight - plotLeft) * h.end.Seconds()
	}
	require.Len(t, bars, len(want))
	for i, b := range bars {
		x, width := b.number(t, "x"), b.number(t, "width")
		require.InDelta(t, want[i][0], at(x), 0.001)
		require.InDelta(t, want[i][1], at(x+width), 0.001)
	}
}

func TestPlotHasALanePerCandidateColouredWhereItLed(t *testing.T) {
	h := goodHistory()
	svg := draw(t, h, nil)
	for i, led := range [][2]float64{{2, 5.001}, {5.004, 8.001}, {8.002, 11}, {14.2, 19.9}, {20.2, 23}} {
		lane := svg.byID(t, "lane-"+names[i])
		require.Equal(t, []string{names[i]}, lane.texts())
		bars := lane.all("rect", "leads")
		requireSpans(t, h, bars, led)
		require.Equal(t, shades[i].Fill, bars[0].attrs["fill"])
		require.Len(t, lane.all("line", "waits"), 1)
	}
}

func TestPlotTellsADeadLeaderFromALivingOne(t *testing.T) {
	h := goodHistory()
	svg := draw(t, h, nil)
	requireSpans(t, h, svg.byID(t, "lane-cleo").all("rect", "dead"), [2]float64{11, 13.9})
	require.Empty(t, svg.byID(t, "lane-dan").all("rect", "dead"), "a leader that is cut off still leads")
}

func TestPlotMarksWhereALeaderWasStruck(t *testing.T) {
	h := goodHistory()
	svg := draw(t, h, nil)
	strikes := svg.byID(t, "strikes").all("g", "strike")
	require.Len(t, strikes, 4)
	for i, cause := range []string{"resigned", "key deleted", "crashed", "cut off"} {
		require.Equal(t, []string{strconv.Itoa(i + 1), cause}, strikes[i].texts())
		mark := strikes[i].all("circle", "mark")[0]
		name := svg.byID(t, "lane-"+names[i]).all("text", "")[0]
		require.Equal(t, name.attrs["y"], mark.attrs["cy"], "on the lane of %s", names[i])
	}
	crash := strikes[2].all("circle", "mark")[0]
	require.InDelta(t, plotLeft+(plotRight-plotLeft)*11.0/24, crash.number(t, "cx"), 0.01)
}

func TestPlotMeasuresTheGaps(t *testing.T) {
	h := goodHistory()
	gaps := draw(t, h, nil).byID(t, "gaps")
	require.Equal(t, []string{"nobody led", "3.00ms", "1.00ms", "3.20s", "300ms"}, gaps.texts())
	requireSpans(t, h, gaps.all("rect", "gap"),
		[2]float64{5.001, 5.004}, [2]float64{8.001, 8.002}, [2]float64{11, 14.2}, [2]float64{19.9, 20.2})
}

func TestPlotShowsWhatTheObserverSaw(t *testing.T) {
	h := goodHistory()
	lane := draw(t, h, nil).byID(t, "lane-observer")
	require.Equal(t, []string{"observer", "ada", "ben", "cleo", "dan", "eve"}, lane.texts())
	requireSpans(t, h, lane.all("rect", "leads"),
		[2]float64{2, 5.004}, [2]float64{5.004, 8.002}, [2]float64{8.002, 14.2}, [2]float64{14.2, 20.2}, [2]float64{20.2, 23})
}

func TestPlotHasATimeAxis(t *testing.T) {
	axis := draw(t, goodHistory(), nil).byID(t, "axis")
	var want []string
	for s := 0; s <= 24; s += 2 {
		want = append(want, fmt.Sprintf("%ds", s))
	}
	require.Equal(t, want, axis.texts())
}

func TestPlotTellsEachHandoverInNumbers(t *testing.T) {
	h := goodHistory()
	h.reigns[3].from = 15501 * ms
	rows := draw(t, h, nil).byID(t, "handovers").all("g", "handover")
	require.Len(t, rows, 4)
	require.Equal(t, []string{"2", "ben: key deleted", "cleo", "1.00ms", "1.00ms", "500ms", "1.00ms", "ok"}, rows[1].texts())
	require.Equal(t, []string{"3", "cleo: crashed", "dan", "2.90s", "4.50s", "4.50s", "1.60s", "FAIL"}, rows[2].texts())
}

func TestPlotPutsLabelsThatWouldCollideIntoTwoLines(t *testing.T) {
	h := goodHistory()
	h.end = 240 * time.Second // the four handovers are 10 to 40 pixels apart
	lines := map[string]int{}
	for _, label := range draw(t, h, nil).byID(t, "gaps").all("text", "middle") {
		lines[label.attrs["y"]]++
	}
	require.Len(t, lines, 2)
}

func TestPlotShowsWhyTheDemoFailedAndNothingElse(t *testing.T) {
	svg := draw(t, goodHistory(), errors.New("<script>alert(1)</script> & \"so on\"\nin many lines"))
	require.Contains(t, svg.byID(t, "handovers").texts(), `The demo failed: <script>alert(1)</script> & "so on"`)
	require.Empty(t, svg.all("script", ""))
}

func TestPlotCanBeReadAloud(t *testing.T) {
	svg := draw(t, goodHistory(), nil)
	require.Equal(t, "title words", svg.attrs["aria-labelledby"])
	require.NotEmpty(t, svg.byID(t, "title").text)
	require.Contains(t, svg.byID(t, "words").text, "ada leads from 2.0s to 5.0s. ben leads")
	require.Contains(t, svg.byID(t, "words").text, "Act 3: cleo, crashed; nobody leads for 3.20s.")
}

func TestPlotOfNothing(t *testing.T) {
	svg := draw(t, history{}, errors.New("no cluster"))
	require.Contains(t, svg.byID(t, "handovers").texts(), "The demo failed: no cluster")
	require.Empty(t, svg.all("g", "vacancy"))
}

// TestShadesAreToldApartInGrey computes CIE lightness, from 0 for black to 100
// for white, and the contrast of WCAG 2, which asks for 4.5 for text.
func TestShadesAreToldApartInGrey(t *testing.T) {
	require.Len(t, shades, len(names))
	luminance := func(colour string) float64 {
		var sum float64
		for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
			v, err := strconv.ParseUint(colour[1+2*i:3+2*i], 16, 8)
			require.NoError(t, err)
			c := float64(v) / 255
			if c <= 0.04045 {
				c /= 12.92
			} else {
				c = math.Pow((c+0.055)/1.055, 2.4)
			}
			sum += weight * c
		}
		return sum
	}
	lightness := func(colour string) float64 { return 116*math.Cbrt(luminance(colour)) - 16 }
	for i, s := range shades {
		for _, other := range shades[:i] {
			require.Greater(t, math.Abs(lightness(s.Fill)-lightness(other.Fill)), 9.0, "%s and %s", s.Fill, other.Fill)
		}
		light, dark := luminance(s.Fill), luminance(s.Ink)
		require.Greater(t, (max(light, dark)+0.05)/(min(light, dark)+0.05), 4.5, "%s on %s", s.Ink, s.Fill)
	}
}

// TestPictureInTheDocsIsOfThisTemplate compares what does not depend on the run.
func TestPictureInTheDocsIsOfThisTemplate(t *testing.T) {
	stored, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "demo.svg"))
	require.NoError(t, err)
	const remedy = "docs/demo.svg is not what the demo draws now: go run ./cmd/elect demo --plot docs/demo.svg"
	svg := parse(t, stored)
	style := regexp.MustCompile(`(?s)<style>.*</defs>`)
	require.Equal(t, style.FindString(plotSource), string(style.Find(stored)), remedy)
	require.Len(t, svg.all("g", "vacancy"), 4, remedy)
	for _, row := range svg.all("g", "handover") {
		require.Contains(t, row.texts(), "ok", "a run that failed is not one to show")
	}
	for _, name := range append([]string{"observer"}, names...) {
		require.NotEmpty(t, svg.byID(t, "lane-"+name).all("rect", "leads"), remedy)
	}
}
