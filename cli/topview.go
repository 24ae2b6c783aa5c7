// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/drawbridge-l2/drawbridge/api"
)

// Lines that are not of the pane: two of the gateway and a blank one above, the last one below.
const (
	linesAbove = 3
	linesBelow = 1
	linesHeads = 2 // of the list
)

// room is how many rows of the list fit.
func (m *topModel) room() int { return max(1, m.height-linesAbove-linesBelow-linesHeads) }

// lines is the whole screen.
func (m *topModel) lines(p palette, now time.Time) []string {
	out := append(m.head(p), "")
	switch m.pane {
	case paneExtension:
		out = append(out, m.scrolled(m.extensionLines(p, now))...)
	case paneEvents:
		out = append(out, m.scrolled(m.eventLines(m.events, true, p))...)
	default:
		out = append(out, m.listLines(p, now, m.room())...)
		out = append(out, m.latestLines(p, m.height-linesBelow-len(out))...)
	}
	for len(out) < m.height-linesBelow {
		out = append(out, "")
	}
	return append(out[:max(0, m.height-linesBelow)], m.foot(p))
}

// scrolled is the part of a long pane that fits.
func (m *topModel) scrolled(all []string) []string {
	m.offset = min(m.offset, max(0, len(all)-max(1, m.height-linesAbove-linesBelow)))
	return all[m.offset:]
}

// head is the gateway in two lines.
func (m *topModel) head(p palette) []string {
	if m.fault != "" {
		return []string{line{{m.fault, red}}.text(p, m.width), ""}
	}
	g := m.gateway
	count := map[string]int{}
	var cloud, customer flowRate
	for i := range m.rows {
		r := &m.rows[i]
		count[r.Bridge]++
		cloud.add(r.ToCloud)
		customer.add(r.ToCustomer)
	}
	first := line{{clean(g.Name), bold}, {fmt.Sprintf("  engine %s  up %s  %s: ", clean(g.Engine), age(seconds(g.UptimeSeconds)), plural(len(m.rows), "extension")), none}}
	for i, state := range []string{api.BridgeLowered, api.BridgeHalfRaised, api.BridgeRaised, api.BridgeDown} {
		cell := cell{fmt.Sprintf("%d %s", count[state], state), none}
		if count[state] > 0 {
			cell.colour = bridgeCell(state).colour
		}
		if i > 0 {
			first = append(first, plain(", "))
		}
		first = append(first, cell)
	}
	drops := cloud.Drops + customer.Drops
	second := line{plain(fmt.Sprintf("to cloud %sb/s %s frames/s   to customer %sb/s %s frames/s   ", spaced(cloud.Bits), si(cloud.Frames), spaced(customer.Bits), si(customer.Frames))),
		{fmt.Sprintf("dropped %s/s", si(drops)), dropColour(drops)}}
	return []string{first.text(p, m.width), second.text(p, m.width)}
}

func (f *flowRate) add(g flowRate) {
	f.Frames, f.Bits, f.Drops = f.Frames+g.Frames, f.Bits+g.Bits, f.Drops+g.Drops
}

// foot is the question, the notice, or the keys.
func (m *topModel) foot(p palette) string {
	switch {
	case m.asking.act != "":
		what := map[string]string{actRaise: "nothing flows until it is lowered", actLower: "frames flow again"}[m.asking.act]
		return line{{fmt.Sprintf("%s %s: %s. Do it? y/n", m.asking.act, clean(m.asking.extension), what), bold}}.text(p, m.width)
	case m.notice != "":
		return line{{m.notice, yellow}}.text(p, m.width)
	case m.pane == paneExtension:
		return line{plain("esc back  r raise  l lower  ↑↓ scroll  e events  q quit")}.text(p, m.width)
	case m.pane == paneEvents:
		return line{plain("esc back  ↑↓ scroll  q quit")}.text(p, m.width)
	}
	return line{plain(fmt.Sprintf("↑↓ move  enter details  r raise  l lower  e events  s sort: %s  q quit", m.order))}.text(p, m.width)
}

// Widths of the list's columns; names take what they need.
const (
	widthBridge = 11
	widthRate   = 7
	widthFrames = 7
	widthDrops  = 7
	widthMACs   = 6
)

// listLines are the heads and at most so many rows.
func (m *topModel) listLines(p palette, now time.Time, room int) []string {
	if len(m.rows) == 0 {
		return []string{line{plain("no extensions")}.text(p, m.width)}
	}
	name := len("NAME")
	for i := range m.rows {
		name = max(name, utf8.RuneCountInString(m.rows[i].Name))
	}
	flow := widthRate + widthFrames + widthDrops
	groups := pad("", 2+name+1+widthBridge+8) + right("TO CLOUD", flow) + right("TO CUSTOMER", flow+2) + right("MACS", 2*widthMACs)
	heads := "  " + pad("NAME", name+1) + pad("BRIDGE", widthBridge) + right("FOR", 7) + " " +
		right("b/s", widthRate) + right("fr/s", widthFrames) + right("drop/s", widthDrops) + "  " +
		right("b/s", widthRate) + right("fr/s", widthFrames) + right("drop/s", widthDrops) +
		right("CUST", widthMACs) + right("CLOUD", widthMACs) + "  WHY"
	out := []string{line{{groups, bold}}.text(p, m.width), line{{heads, bold}}.text(p, m.width)}
	last := min(len(m.rows), m.offset+room)
	for i := m.offset; i < last; i++ {
		out = append(out, m.rowLine(&m.rows[i], name, p, now))
	}
	return out
}

func (m *topModel) rowLine(r *topRow, name int, p palette, now time.Time) string {
	mark := "  "
	if r.Name == m.selected {
		mark = "▸ "
	}
	state := bridgeCell(r.Bridge)
	l := line{plain(mark), plain(pad(clean(r.Name), name+1)), {pad(state.text, widthBridge), state.colour}, plain(right(age(now.Sub(r.Since)), 7) + " ")}
	l = append(l, flowCells(r.ToCloud)...)
	l = append(l, plain("  "))
	l = append(l, flowCells(r.ToCustomer)...)
	customer, cloud := macCell(r.MACs.Customer, r.MACs.Limit), macCell(r.MACs.Cloud, r.MACs.Limit)
	l = append(l, cell{right(customer.text, widthMACs), customer.colour}, cell{right(cloud.text, widthMACs), cloud.colour}, plain("  "+why(r)))
	if r.Name == m.selected && p.on {
		return l.reversed(m.width)
	}
	return l.text(p, m.width)
}

// why is what one wants to know of a row in trouble.
func why(r *topRow) string {
	if r.Bridge != api.BridgeLowered {
		return clean(r.Reason)
	}
	if r.drops() > 0 {
		return "drops: " + clean(r.Busiest)
	}
	return ""
}

// latestLines are the newest events, where the list leaves room for a few.
func (m *topModel) latestLines(p palette, room int) []string {
	const heads, few = 2, 3
	if room < heads+few || len(m.events) == 0 {
		return nil
	}
	out := append([]string{"", line{{"LATEST EVENTS", bold}}.text(p, m.width)}, m.eventLines(m.events, true, p)...)
	return out[:min(len(out), room)]
}

func flowCells(f flowRate) []cell {
	return []cell{plain(right(si(f.Bits), widthRate)), plain(right(si(f.Frames), widthFrames)), {right(si(f.Drops), widthDrops), dropColour(f.Drops)}}
}

func dropColour(drops float64) colour {
	if drops > 0 {
		return yellow
	}
	return none
}

// extensionLines are one extension's traffic, drops by reason, and events.
func (m *topModel) extensionLines(p palette, now time.Time) []string {
	if m.detail == nil {
		return []string{line{{clean(m.selected), bold}, plain("  reading …")}.text(p, m.width)}
	}
	e := &m.detail.now
	state := bridgeCell(e.Bridge)
	out := []string{line{{clean(e.Name), bold}, plain("  "), state, plain(fmt.Sprintf(" for %s  %s", age(now.Sub(e.Since)), clean(e.Reason)))}.text(p, m.width)}
	facts := fmt.Sprintf("circuit %s  VNI %d  VTEPs %s  MACs %d customer, %d cloud, limit %d a side", circuit(e.Attachment.Interface, e.Attachment.VLAN),
		e.Overlay.VNI, clean(cmp.Or(strings.Join(e.Overlay.Peers, " "), "none")), e.MACs.Customer, e.MACs.Cloud, e.MACs.Limit)
	out = append(out, line{plain(facts)}.text(p, m.width))
	if e.Description != "" {
		out = append(out, line{plain(clean(e.Description))}.text(p, m.width))
	}
	out = append(out, "")
	out = append(out, m.tableLines(m.detail.traffic(), p)...)
	out = append(out, m.trendLines(p)...)
	out = append(out, "")
	if drops := m.detail.drops(); len(drops.rows) > 0 {
		out = append(out, m.tableLines(drops, p)...)
	} else {
		out = append(out, line{plain("no drops")}.text(p, m.width))
	}
	if len(m.sources) > 0 {
		out = append(out, "")
		out = append(out, m.tableLines(sourceTable(m.sources), p)...)
	}
	own := slices.DeleteFunc(slices.Clone(m.events), func(r api.Event) bool { return r.Extension != e.Name })
	return append(append(out, "", line{{"EVENTS", bold}}.text(p, m.width)), m.eventLines(own, false, p)...)
}

// trendLines are the last minute's rates, and drops where there were any.
func (m *topModel) trendLines(p palette) []string {
	out := []string{""}
	for i, direction := range []string{"to cloud", "to customer"} {
		past := m.detail.past[i]
		out = append(out, line{plain(pad(direction, 13) + past.bits.text() + "  max " + spaced(past.bits.most()) + "b/s")}.text(p, m.width))
		if most := past.drops.most(); most > 0 {
			out = append(out, line{{pad("  dropped", 13) + past.drops.text(), yellow}, plain("  max " + si(most) + "/s")}.text(p, m.width))
		}
	}
	return out
}

// tableLines is a table as lines of the screen.
func (m *topModel) tableLines(t *table, p palette) []string {
	widths := t.widths()
	heads := line{}
	for _, c := range t.columns {
		heads = append(heads, plain(c.name))
	}
	out := []string{line{{t.line(heads, widths, palette{}), bold}}.text(p, m.width)}
	for _, row := range t.rows {
		if plainText := t.line(row, widths, palette{}); utf8.RuneCountInString(plainText) > m.width {
			out = append(out, cut(plainText, m.width))
			continue
		}
		out = append(out, t.line(row, widths, p))
	}
	return out
}

// traffic is both directions, now and since the counters began.
func (d *topDetail) traffic() *table {
	t := &table{columns: []column{{name: "DIRECTION"}, {name: "b/s", right: true}, {name: "fr/s", right: true}, {name: "drop/s", right: true},
		{name: "RX FRAMES", right: true}, {name: "TX FRAMES", right: true}, {name: "DROPS", right: true}, {name: "COPIES", right: true}, {name: "OUR OWN", right: true}}}
	for i, f := range d.flows() {
		drops := growth(sum(f.was.Drops), sum(f.now.Drops), d.between)
		t.add(plain([]string{"to cloud", "to customer"}[i]), plain(si(8*growth(f.was.Tx.Bytes, f.now.Tx.Bytes, d.between))), plain(si(growth(f.was.Tx.Frames, f.now.Tx.Frames, d.between))),
			cell{si(drops), dropColour(drops)}, plain(frames(f.now.Rx.Frames)), plain(frames(f.now.Tx.Frames)), dropCell(sum(f.now.Drops)),
			plain(frames(f.now.Copies)), plain(frames(f.now.Generated)))
	}
	return t
}

// drops is a line for each reason and direction, the busiest just now first.
func (d *topDetail) drops() *table {
	t := &table{columns: []column{{name: "REASON"}, {name: "DIRECTION"}, {name: "drop/s", right: true}, {name: "FRAMES", right: true}}}
	type count struct {
		reason, direction string
		now               float64
		frames            uint64
	}
	var all []count
	add := func(suffix, direction string, was, now map[string]uint64) {
		for _, reason := range slices.Sorted(maps.Keys(now)) {
			all = append(all, count{clean(reason) + suffix, direction, growth(was[reason], now[reason], d.between), now[reason]})
		}
	}
	add("", "to cloud", d.was.ToCloud.Drops, d.now.ToCloud.Drops)
	add("", "to customer", d.was.ToCustomer.Drops, d.now.ToCustomer.Drops)
	add(" (would drop)", "to cloud", d.was.ToCloud.WouldDrop, d.now.ToCloud.WouldDrop)
	add(" (would drop)", "to customer", d.was.ToCustomer.WouldDrop, d.now.ToCustomer.WouldDrop)
	slices.SortStableFunc(all, func(a, b count) int { return cmp.Or(cmp.Compare(b.now, a.now), cmp.Compare(b.frames, a.frames)) })
	for _, c := range all {
		t.add(plain(c.reason), plain(c.direction), cell{si(c.now), dropColour(c.now)}, plain(frames(c.frames)))
	}
	return t
}

// sourceTable is who is behind the drops of the last ten seconds.
func sourceTable(sources []api.Source) *table {
	t := &table{columns: []column{{name: "BUSIEST SOURCE"}, {name: "DIRECTION"}, {name: "SHARE", right: true}, {name: "IP"}, {name: "INNER VLAN"}}}
	for _, s := range sources {
		vlan := ""
		if s.VLAN > 0 {
			vlan = strconv.Itoa(s.VLAN)
		}
		t.add(plain(clean(s.MAC)), plain("to "+clean(s.To)), plain(fmt.Sprintf("%.0f %%", 100*s.Share)), plain(clean(s.IP)), plain(vlan))
	}
	return t
}

// eventLines are records, the newest first.
func (m *topModel) eventLines(records []api.Event, named bool, p palette) []string {
	if len(records) == 0 {
		return []string{line{plain("none")}.text(p, m.width)}
	}
	out := make([]string, 0, len(records))
	for _, r := range slices.Backward(records) {
		level := clean(string(r.Severity))
		l := line{plain(r.Time.Local().Format(time.DateTime) + "  "), {pad(level, 8), severityColour(level)}}
		if named {
			l = append(l, plain(pad(cmp.Or(clean(r.Extension), "-"), 13)+" "))
		}
		out = append(out, append(l, plain(pad(clean(string(r.Kind)), 13)+clean(r.Message))).text(p, m.width))
	}
	return out
}

// line is cells side by side.
type line []cell

// text paints the cells, and cuts what does not fit.
func (l line) text(p palette, width int) string {
	var b strings.Builder
	for _, c := range l {
		if width <= 0 {
			break
		}
		text := cut(c.text, width)
		width -= utf8.RuneCountInString(text)
		b.WriteString(p.paint(text, c.colour))
	}
	return b.String()
}

// reversed is the line in reverse video, over the whole width and without other colours.
func (l line) reversed(width int) string {
	return palette{on: true}.paint(pad(l.text(palette{}, width), width), reverse)
}

// si prints a number with three digits and an SI prefix: 0, 7.5, 830, 12.3k.
func si(n float64) string {
	power := 0
	for ; n >= 999.5 && power < 5; power++ {
		n /= 1000
	}
	prefix := strings.TrimSpace(" kMGTP"[power : power+1])
	switch {
	case n >= 99.95 || power == 0 && n == math.Trunc(n) || power == 0 && n >= 9.95:
		return fmt.Sprintf("%.0f%s", n, prefix)
	case n >= 9.995 || power == 0:
		return fmt.Sprintf("%.1f%s", n, prefix)
	}
	return fmt.Sprintf("%.2f%s", n, prefix)
}

// spaced is si with the unit's space: 12.3 k, 830 .
func spaced(n float64) string {
	text := si(n)
	if last := len(text) - 1; strings.ContainsRune("kMGTP", rune(text[last])) {
		return text[:last] + " " + text[last:]
	}
	return text + " "
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// pad fills text up with blanks on its right, right on its left.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}

func right(text string, width int) string {
	return strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text))) + text
}
