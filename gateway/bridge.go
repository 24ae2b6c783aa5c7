// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"time"

	"github.com/drawbridge-l2/drawbridge/core/guard"
	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// bridgeLogged is how many extensions with one new state and reason are logged one by one: a cable
// with 4,000 circuits must not push everything else out of the log.
const bridgeLogged = 100

// bridgeState is what users were told about an extension's bridge.
type bridgeState struct {
	state  state.Bridge
	raised bool
	words  string // of the operator who raised it; may be empty
	reason string
	since  time.Time
}

// next is the state that a plan's bridge leads to. Since is kept while the state is the same.
func (b bridgeState) next(p Bridge, latch *Latch, known bool, now time.Time) bridgeState {
	n := bridgeState{state: p.State, raised: latch != nil, reason: p.Reason, since: b.since}
	if latch != nil {
		n.words = latch.Reason
	}
	if !known || b.state != p.State {
		n.since = now
		if p.State == state.RaisedUp && latch != nil {
			n.since = latch.Since
		}
	}
	if p.State == state.HalfRaised {
		n.since = p.Since
	}
	return n
}

// transition tells a change of an extension's bridge; false when there is nothing to tell. Known is
// false for an extension that was not there before.
func transition(p Bridge, old, now bridgeState, known bool) (event.Record, bool) {
	if known && old.state == now.state && old.reason == now.reason && old.raised == now.raised {
		return event.Record{}, false
	}
	r := event.Record{
		Extension: string(p.Name),
		Kind:      p.Kind,
		Severity:  p.Severity,
		Detail:    map[string]any{"bridge": now.state.String(), "reason": now.reason},
	}
	switch {
	case now.raised && !old.raised && known:
		r.Kind, r.Severity, r.Message = event.Raised, event.Warning, now.reason
		r.Detail["cause"] = string(guard.Operator)
	case now.raised && old.raised && old.words != "" && now.words != old.words && now.state == old.state:
		r.Kind, r.Severity, r.Message = event.Raised, event.Info, now.reason // no cause: it did not trip again
	case old.raised && !now.raised:
		r = loweredRecord(p.Name, now.state, now.reason)
	case now.state == state.Down:
		r.Message = "down: " + now.reason
		r.Detail["cause"] = string(guard.Link)
	case now.state == state.HalfRaised && old.state != state.Down, known && old.state == state.HalfRaised:
		return r, false // told by the trip or its release
	case !known:
		return r, false
	case old.state == state.Down:
		r.Kind, r.Severity = event.Link, event.Info
		r.Message = fmt.Sprintf("%s again; it was down: %s", now.state, old.reason)
	default:
		r.Message = now.reason
	}
	return r, true
}

// loweredRecord says that the operator let a bridge down.
func loweredRecord(ext l2.Name, now state.Bridge, reason string) event.Record {
	return event.Record{
		Extension: string(ext), Kind: event.Lowered, Severity: event.Info, Message: "lowered by the operator",
		Detail: map[string]any{"bridge": now.String(), "reason": reason, "cause": string(guard.Operator)},
	}
}

// digest logs transitions and bounds how many of one kind and message are logged.
type digest struct {
	log  *Log
	seen map[string]int
}

func (d *digest) add(r event.Record) {
	if d.seen == nil {
		d.seen = map[string]int{}
	}
	key := string(r.Kind) + r.Message
	if d.seen[key]++; d.seen[key] <= bridgeLogged {
		d.log.Append(r)
	}
}

// flush logs one record for those that were only counted.
func (d *digest) flush() {
	more := 0
	for _, n := range d.seen {
		more += max(0, n-bridgeLogged)
	}
	if more == 0 {
		return
	}
	d.log.Append(event.Record{
		Kind:     event.Link,
		Severity: event.Warning,
		Message:  fmt.Sprintf("%d more extensions changed for the same reasons: see status", more),
		Detail:   map[string]any{"more": more},
	})
}
