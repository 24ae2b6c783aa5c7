// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/drawbridge-l2/drawbridge/core/guard"
	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// perform does what a machine decided.
func (g *Gateway) perform(ext l2.Name, actions []guard.Action, now time.Time) {
	t := g.trips
	for _, a := range actions {
		switch a := a.(type) {
		case guard.Tell:
			g.tell(ext, a, now)
		case guard.SetMACStorm:
			g.fault("mac-storm of "+string(ext), g.opts.Plane.SetMACStorm(ext, a.Ways, a.Since, a.Until), event.Hint)
		case guard.ProbeNow:
			t.probes.AtOnce(ext, now)
		case guard.ProbeEagerly:
			t.probes.Urge(ext, now)
		}
	}
	g.noteBridge(ext, now)
}

// noteBridge keeps what follows from a machine's state in step with it.
func (g *Gateway) noteBridge(ext l2.Name, now time.Time) {
	t, m := g.trips, g.trips.machines[ext]
	if m.Busy() {
		t.busy[ext] = true
	} else {
		delete(t.busy, ext)
	}
	bridge, reason, _ := m.Bridge()
	t.probes.Hold(ext, bridge == state.HalfRaised, now)
	told := g.bridges[ext]
	half := bridge == state.HalfRaised
	if half != (told.state == state.HalfRaised) || half && reason != told.reason {
		t.stale = true
	}
}

// tell logs what a machine has to say. The last frames before a trip are kept first, so that the record
// can name the file.
func (g *Gateway) tell(ext l2.Name, a guard.Tell, now time.Time) {
	r := a.Record
	r.Extension = string(ext)
	if a.Evidence != "" {
		file, err := g.keepEvidence(ext, a.Evidence, now)
		g.fault("recordings", err, event.Hint)
		if file != "" {
			r.Detail["recording"] = file
		}
	}
	g.log.Append(r)
}

// keepEvidence writes the flight recorder of an extension to a file. No frames: no file.
func (g *Gateway) keepEvidence(ext l2.Name, cause guard.Cause, now time.Time) (string, error) {
	frames, err := g.opts.Plane.Recorded(ext)
	if err != nil {
		return "", fmt.Errorf("read the flight recorder: %w", err)
	}
	if len(frames) == 0 {
		return "", nil
	}
	data, err := capture(g.about(ext), g.opts.Version, frames)
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("%s-%s-%s.pcapng", ext, cause, now.UTC().Format(recordingTime))
	return g.trips.files.save(name, data, now)
}

// about is what a capture says of its extension.
func (g *Gateway) about(ext l2.Name) state.ExtensionStatus {
	for i := range g.cfg.Extensions {
		if c := &g.cfg.Extensions[i]; c.Name == ext {
			return state.ExtensionStatus{Name: ext, NIC: c.Attachment.Interface, VLAN: c.Attachment.VLAN, VNI: c.Overlay.VNI}
		}
	}
	return state.ExtensionStatus{Name: ext}
}

// newNonce is a number that nobody outside can guess. A zero would look like none.
func newNonce() uint64 {
	var b [8]byte
	for {
		_, _ = rand.Read(b[:]) // never fails
		if n := binary.NativeEndian.Uint64(b[:]); n != 0 {
			return n
		}
	}
}
