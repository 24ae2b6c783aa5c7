// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"slices"
	"time"

	"github.com/drawbridge-l2/drawbridge/api"
)

// keptEvents is how many records the view remembers.
const keptEvents = 1000

// topPane is what fills the screen.
type topPane int

const (
	paneList topPane = iota
	paneExtension
	paneEvents
)

// topModel is what the view knows and where somebody is in it. It does nothing by itself: readings, records and
// keys go in, lines and wishes come out.
type topModel struct {
	gateway api.GatewayInfo
	rows    []topRow
	events  []api.Event  // oldest first
	detail  *topDetail   // nil: not read yet
	sources []api.Source // of the detail's drops

	pane     topPane
	order    topOrder
	selected string // an extension's name
	chosen   bool   // somebody went there: it stays selected when others overtake it
	offset   int    // of the first line that is shown of a long list
	asking   wish   // waits for y or n
	notice   string // what was done, or what went wrong
	fault    string // why there is no reading

	width, height int
	was           *api.Table
	at            time.Time
}

// topDetail is one extension, and what it was at a reading before.
type topDetail struct {
	now, was  api.Extension
	at, wasAt time.Time
	between   time.Duration                  // 0: there was none before
	past      [2]struct{ bits, drops trend } // to cloud, to customer
}

// shortestSpan is the time below which a rate says nothing: a reading that comes sooner is compared with the
// one that its forerunner was compared with.
const shortestSpan = topInterval / 2

// wish is what somebody wants done.
type wish struct {
	act       string // raise, lower, quit or nothing
	extension string
}

const (
	actRaise = "raise"
	actLower = "lower"
	actQuit  = "quit"
)

func newTopModel() *topModel { return &topModel{order: byTrouble, width: 80, height: 24} }

// take adds a reading.
func (m *topModel) take(t *api.Table, at time.Time) {
	m.gateway, m.fault = t.Gateway, ""
	if m.was == nil {
		m.was, m.at = t, at
	}
	m.rows = topRows(&m.was.Extensions, &t.Extensions, at.Sub(m.at))
	m.was, m.at = t, at
	m.sort()
}

// takeDetail adds a reading of the extension in sight; nil when it is gone.
func (m *topModel) takeDetail(e *api.Extension, at time.Time) {
	switch {
	case e == nil || e.Name != m.selected:
		m.detail = nil
	case m.detail == nil || m.detail.now.Name != e.Name:
		m.detail = &topDetail{now: *e, was: *e, at: at, wasAt: at}
	default:
		d := *m.detail
		if at.Sub(d.at) >= shortestSpan {
			d.was, d.wasAt = d.now, d.at
		}
		whole := d.wasAt != m.detail.wasAt
		d.now, d.at, d.between = *e, at, at.Sub(d.wasAt)
		if whole {
			d.remember()
		}
		m.detail = &d
	}
}

// flows are the directions of an extension.
func (d *topDetail) flows() [2]struct{ was, now *api.Counters } {
	return [2]struct{ was, now *api.Counters }{{&d.was.ToCloud, &d.now.ToCloud}, {&d.was.ToCustomer, &d.now.ToCustomer}}
}

// remember adds the rates of the last second to the trends.
func (d *topDetail) remember() {
	for i, f := range d.flows() {
		past := &d.past[i]
		past.bits = past.bits.with(8 * growth(f.was.Tx.Bytes, f.now.Tx.Bytes, d.between))
		past.drops = past.drops.with(growth(sum(f.was.Drops), sum(f.now.Drops), d.between))
	}
}

// takeSources adds who is behind the drops of the extension in sight.
func (m *topModel) takeSources(name string, sources []api.Source) {
	if name == m.watched() {
		m.sources = sources
	}
}

// takeEvent adds a record.
func (m *topModel) takeEvent(e api.Event) {
	m.events = append(m.events, e)
	if len(m.events) > 2*keptEvents {
		m.events = slices.Clone(m.events[len(m.events)-keptEvents:])
	}
}

func (m *topModel) sort() {
	sortRows(m.rows, m.order)
	if (!m.chosen || m.index() < 0) && m.asking.act == "" && len(m.rows) > 0 {
		m.selected, m.chosen = m.rows[0].Name, false
	}
	m.keepInSight()
}

// index is where the selected extension is; -1: nowhere.
func (m *topModel) index() int {
	return slices.IndexFunc(m.rows, func(r topRow) bool { return r.Name == m.selected })
}

// press takes a key and returns what is to be done.
func (m *topModel) press(k key) wish {
	if m.asking.act != "" {
		return m.answer(k)
	}
	m.notice = ""
	switch k {
	case "q":
		return wish{act: actQuit}
	case "r":
		m.ask(actRaise)
	case "l":
		m.ask(actLower)
	case "e":
		m.turn(paneEvents)
	case "s":
		m.order = m.order.next()
		m.offset = 0
		m.sort()
	case keyEnter, keyRight:
		if m.pane == paneList && m.index() >= 0 {
			m.chosen = true
			m.turn(paneExtension)
		}
	case keyEscape, keyLeft:
		m.turn(paneList)
	default:
		m.move(k)
	}
	return wish{}
}

// turn shows another pane; the one that is shown gives way to the list.
func (m *topModel) turn(to topPane) {
	if m.pane == to {
		to = paneList
	}
	m.pane, m.offset, m.detail, m.sources = to, 0, nil, nil
	if to == paneList {
		m.keepInSight()
	}
}

func (m *topModel) ask(act string) {
	if m.pane != paneEvents && m.index() >= 0 {
		m.chosen = true
		m.asking = wish{act, m.selected}
	}
}

// answer takes the key after a question: y does it, anything else does not.
func (m *topModel) answer(k key) wish {
	asked := m.asking
	m.asking = wish{}
	if k == "y" || k == "Y" {
		return asked
	}
	m.notice = "not done"
	return wish{}
}

// move goes through the list, or scrolls another pane.
func (m *topModel) move(k key) {
	steps, moves := map[key]int{
		keyUp: -1, "k": -1, keyDown: 1, "j": 1, keyPageUp: -m.room(), keyPageDn: m.room(),
		keyHome: -len(m.rows) - keptEvents, keyEnd: len(m.rows) + 2*keptEvents,
	}[k]
	if !moves {
		return
	}
	if m.pane != paneList {
		m.offset = max(0, m.offset+steps) // the view knows the end
		return
	}
	if len(m.rows) == 0 {
		return
	}
	to := min(max(m.index()+steps, 0), len(m.rows)-1)
	m.selected, m.chosen = m.rows[to].Name, true
	m.keepInSight()
}

// keepInSight scrolls the list so that the selected extension is in it.
func (m *topModel) keepInSight() {
	if m.pane != paneList {
		return
	}
	at := max(m.index(), 0)
	m.offset = min(m.offset, at, max(0, len(m.rows)-m.room()))
	m.offset = max(m.offset, at-m.room()+1)
}

// resize follows the terminal.
func (m *topModel) resize(width, height int) {
	m.width, m.height = width, height
	m.keepInSight()
}
