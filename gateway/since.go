// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// bridgesNote is what users were told about the bridges, as bridges.json holds it for a daemon that comes
// after this one. It is written at once with what was told here, or a crash would have it told again. A
// trip is the event log's to remember: that one is written some seconds later, or at the end, and a crash costs
// no more than the time since when a bridge is as it is.
type bridgesNote struct {
	Boot    string                 `json:"boot"` // boot ID of the kernel: after another one nothing was forwarded meanwhile
	Bridges map[l2.Name]bridgeNote `json:"bridges"`
}

type bridgeNote struct {
	State  state.Bridge `json:"state"`
	Raised bool         `json:"raised,omitempty"`
	Words  string       `json:"words,omitempty"` // of the operator who raised it
	Reason string       `json:"reason,omitempty"`
	Since  time.Time    `json:"since"`
}

// recallBridges reads what an earlier daemon told. It counts only when the kernel went on forwarding since
// then. A note that cannot be read is none: it is not worth failing for.
func (g *Gateway) recallBridges() {
	var note bridgesNote
	if err := g.opts.Store.readJSON(bridgesFile, &note); err != nil || !g.opts.Adopted || note.Boot != g.opts.Boot {
		return
	}
	for name, n := range note.Bridges {
		g.bridges[name] = bridgeState{state: n.State, raised: n.Raised, words: n.Words, reason: n.Reason, since: n.Since}
	}
}

// noteBridges writes what users were told, when it changed.
func (g *Gateway) noteBridges() error {
	if !g.bridgesChanged {
		return nil
	}
	note := bridgesNote{Boot: g.opts.Boot, Bridges: make(map[l2.Name]bridgeNote, len(g.bridges))}
	for name, b := range g.bridges {
		note.Bridges[name] = bridgeNote{b.state, b.raised, b.words, b.reason, b.since}
	}
	if err := g.opts.Store.writeJSON(bridgesFile, note); err != nil {
		return err
	}
	g.bridgesChanged = false
	return nil
}
