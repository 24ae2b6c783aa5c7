// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// panel is groups of bars over one axis.
type panel struct {
	title, unit string
	inverse     bool // the base over the system, not the system over the base
	groups      []barGroup
}

type barGroup struct {
	label string
	bars  []bar
}

// bar is one system's figure.
type bar struct {
	system string
	estimate
}

// add appends a bar to its group.
func (p *panel) add(group string, b bar) {
	i := slices.IndexFunc(p.groups, func(g barGroup) bool { return g.label == group })
	if i < 0 {
		p.groups = append(p.groups, barGroup{label: group})
		i = len(p.groups) - 1
	}
	p.groups[i].bars = append(p.groups[i].bars, b)
}

// top is the highest end of an interval.
func (p *panel) top() float64 {
	top := 0.0
	for _, g := range p.groups {
		for _, b := range g.bars {
			top = max(top, b.High, b.Value)
		}
	}
	return top
}

// Measures of the picture, in pixels.
const (
	plotWidth   = 900
	panelHeight = 250
	plotHeight  = 160 // of the area for bars
	plotLeft    = 60
	plotTop     = 40 // of a panel, above that area
	legendRow   = 30
)

// colours tell systems apart, also for people who do not see red and green (Okabe and Ito's palette).
var colours = map[string]string{
	systemRedirect: "#999999", systemLinux: "#000000", systemOVS: "#cc79a7", systemXDP: "#0072b2", systemTC: "#d55e00",
	systemXDPOff: "#56b4e9", systemTCOff: "#e69f00", systemLinuxGRO: "#f0e442", systemTCUntagged: "#009e73",
}

// drawPanels writes a picture of panels, one below the other.
func drawPanels(to io.Writer, panels []panel) error {
	w := bufio.NewWriter(to)
	height := legendRow + len(panels)*panelHeight
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n",
		plotWidth, height, plotWidth, height)
	fmt.Fprintf(w, "<title>Drawbridge measured</title>\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n", plotWidth, height)
	drawLegend(w, panels)
	for i := range panels {
		drawPanel(w, &panels[i], legendRow+i*panelHeight)
	}
	fmt.Fprintln(w, "</svg>")
	return w.Flush()
}

func drawLegend(w io.Writer, panels []panel) {
	var names []string
	for _, p := range panels {
		for _, g := range p.groups {
			for _, b := range g.bars {
				if !slices.Contains(names, b.system) {
					names = append(names, b.system)
				}
			}
		}
	}
	for i, name := range names {
		x := plotLeft + i*105
		fmt.Fprintf(w, `<rect x="%d" y="10" width="12" height="12" fill="%s"/><text x="%d" y="20">%s</text>`+"\n", x, colours[name], x+16, escaped(name))
	}
}

func drawPanel(w io.Writer, p *panel, y int) {
	fmt.Fprintf(w, `<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n", plotLeft, y+24, escaped(p.title))
	step := niceStep(p.top() / 4)
	highest := step * math.Ceil(p.top()/step)
	base := float64(y + plotTop + plotHeight)
	at := func(v float64) float64 { return base - v/highest*plotHeight }
	for v := 0.0; v <= highest+step/2; v += step {
		fmt.Fprintf(w, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			plotLeft, plotWidth-10, at(v), at(v), plotLeft-6, at(v)+4, tick(v, p.unit))
	}
	room := float64(plotWidth-10-plotLeft) / float64(len(p.groups))
	for i, g := range p.groups {
		left := plotLeft + float64(i)*room
		width := min(room*0.8/float64(len(g.bars)), 40)
		x := left + (room-width*float64(len(g.bars)))/2
		for j, b := range g.bars {
			drawBar(w, b, x+float64(j)*width, width, at)
		}
		fmt.Fprintf(w, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`+"\n", left+room/2, base+18, escaped(g.label))
	}
}

// drawBar draws a figure, and its interval as a line.
func drawBar(w io.Writer, b bar, x, width float64, at func(float64) float64) {
	middle := x + width/2
	fmt.Fprintf(w, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"><title>%s</title></rect>`,
		x+1, at(b.Value), width-2, at(0)-at(b.Value), colours[b.system], escaped(b.system+" "+b.text(2)))
	fmt.Fprintf(w, `<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="#444"/>`+"\n", middle, middle, at(b.Low), at(b.High))
}

// niceStep is 1, 2 or 5 times a power of ten, not below v.
func niceStep(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if v <= m*power {
			return m * power
		}
	}
	return 10 * power
}

func tick(v float64, unit string) string {
	text := fmt.Sprintf("%.3g", v)
	if unit == "×" {
		return text + unit
	}
	return text + " " + unit
}

func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a builder takes everything
	return b.String()
}
