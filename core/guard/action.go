// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"time"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/state"
)

// Action is something to be done. The types of this file are the closed set.
type Action interface{ action() }

// Tell is a record for the event log. Evidence names the cause of a trip whose last frames are to be
// kept first, and the file named in the record; empty: none are.
type Tell struct {
	Record   event.Record
	Evidence Cause
}

// SetMACStorm makes the data path drop BUM of sources that were not learnt by Since, in some directions, until Until.
type SetMACStorm struct {
	Ways         state.Ways
	Since, Until time.Time
}

// ProbeNow asks for a probe at once.
type ProbeNow struct{}

// ProbeEagerly asks for frequent probes for a while.
type ProbeEagerly struct{}

func (Tell) action()         {}
func (SetMACStorm) action()  {}
func (ProbeNow) action()     {}
func (ProbeEagerly) action() {}

type actions []Action

func (a *actions) add(x Action) { *a = append(*a, x) }

// trip tells that something tripped. Reason begins with the cause, and what follows says what is done.
func (a *actions) trip(c Cause, reason, done string, detail map[string]any) {
	detail["cause"], detail["reason"] = string(c), reason
	a.add(Tell{Evidence: c, Record: event.Record{
		Kind: event.Trip, Severity: event.Warning, Message: reason + "; " + done, Detail: detail,
	}})
}

// end is why a trip ended.
type end string

const (
	byItself   end = ""
	byOperator end = "operator"
	byRemoval  end = "removed"
)

// released tells that what tripped is over.
func (a *actions) released(c Cause, why end, message string, held time.Duration) {
	switch why {
	case byOperator:
		message = "let down by the operator"
	case byRemoval:
		message = "the extension is no longer configured"
	}
	detail := map[string]any{"cause": string(c), "held_seconds": seconds(held)}
	if why != byItself {
		detail["by"] = string(why)
	}
	a.add(Tell{Record: event.Record{
		Kind: event.Released, Severity: event.Info, Message: string(c) + ": " + message, Detail: detail,
	}})
}

// seconds rounds to tenths: a reader does not want nanoseconds.
func seconds(d time.Duration) float64 {
	return float64(d.Round(100*time.Millisecond).Milliseconds()) / 1000
}
