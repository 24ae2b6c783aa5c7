// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// Flight is the document of GET …/flight: the flight recorder's frames, which flooded or were dropped, oldest first.
type Flight struct {
	Mode   string        `json:"mode" enum:"enforce,observe,off"` // of the extension's guards
	Taken  uint32        `json:"taken"`                           // frames it took so far; it wraps
	Frames []FlightFrame `json:"frames"`                          // the last of them
}

// FlightFrame is one of them, with its verdict.
type FlightFrame struct {
	Time      time.Time `json:"time"`
	To        string    `json:"to" enum:"cloud,customer"`
	Reason    string    `json:"reason"`     // why it was dropped; empty: it was not
	WouldDrop string    `json:"would_drop"` // what a guard in mode observe had against it
	Size      int       `json:"size"`       // bytes
	Hex       string    `json:"hex"`        // the first of them, without the circuit's tags
}

func (s *Server) getFlight(w http.ResponseWriter, r *http.Request) {
	if s.refusesFrames(w, r) {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	name := r.PathValue("name")
	f, err := s.gw.Flight(ctx, name)
	if err != nil {
		problemOf(err, name).write(w)
		return
	}
	writeJSON(w, flightOf(&f))
}

func flightOf(f *state.Flight) Flight {
	out := Flight{Mode: modeText(f.Mode), Taken: f.Taken, Frames: make([]FlightFrame, 0, len(f.Frames))}
	for i := range f.Frames {
		one := &f.Frames[i]
		out.Frames = append(out.Frames, FlightFrame{
			Time: one.At.UTC(), To: destination(one.Direction), Reason: one.Reason, WouldDrop: one.WouldDrop, Size: one.Size, Hex: hex.EncodeToString(one.Bytes),
		})
	}
	return out
}

// destination is the side that a direction leads to.
func destination(d l2.Direction) string {
	if d == l2.ToCustomer {
		return "customer"
	}
	return "cloud"
}

func modeText(m state.GuardMode) string {
	switch m {
	case state.Observe:
		return "observe"
	case state.Off:
		return "off"
	}
	return "enforce"
}

// Flight reads what the flight recorder has of an extension.
func (c *Client) Flight(ctx context.Context, ext string) (Flight, error) {
	var f Flight
	err := c.get(ctx, extensionPath(ext, "flight"), &f)
	return f, err
}
