// SPDX-License-Identifier: Apache-2.0

package state

import (
	"errors"
	"net/netip"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// ErrTraceRequest says that what was asked cannot be traced: the request is at fault.
var ErrTraceRequest = errors.New("cannot trace that")

// TraceRequest asks what the programs would do with frames, one after another.
type TraceRequest struct {
	Direction l2.Direction
	Frames    []TraceFrame
	From      netip.Addr // to customer: the VTEP that sends; invalid: where the source is known, else the first peer
	VNI       uint32     // to customer: 24 bits; 0: the extension's
}

// TraceFrame is a frame to trace: its bytes, or what it shall be made of.
type TraceFrame struct {
	After time.Duration // since the first frame; never less than that of the frame before
	Bytes []byte
	Made  *MadeFrame
}

// MadeFrame describes a frame. Kind is an EtherType's or a protocol's name, or a number such as 0x88b5; Proto is
// what an IP packet carries. Both may be empty: then the rest of the description decides.
type MadeFrame struct {
	Src, Dst         l2.MAC
	Kind             string
	SrcIP, DstIP     netip.Addr // invalid: addresses for documentation
	Proto            string
	SrcPort, DstPort uint16
	InnerVLAN        l2.VID // 0: none
	Size             int    // bytes without the circuit's tags; 0: as short as it may be
}

// The outcomes of a trace.
const (
	TraceForwarded = "forwarded"
	TraceDropped   = "dropped"
	TraceHost      = "host"      // it is the host's, not ours
	TraceElsewhere = "elsewhere" // it is another extension's
)

// The verdicts of a stage.
const (
	StagePass       = "pass"
	StageDrop       = "drop"
	StageWouldDrop  = "would-drop"
	StageOff        = "off"
	StageNotReached = "not-reached"
)

// TraceResult is what became of one frame.
type TraceResult struct {
	Bytes      []byte // without the circuit's tags and outer headers
	Summary    string
	Stages     []TraceStage
	Outcome    string
	Reason     string // why it was dropped
	WouldDrop  []string
	Leaves     []TraceLeaving
	Learns     string // what the FDB took from it; empty: nothing
	Conclusion string // all of it in one sentence
	YAML       string // the line of the extension's configuration that would change it; empty: there is none
}

// TraceStage is one step of the pipeline. Stage 0 is what comes before the extension is known.
type TraceStage struct {
	Number  int
	Name    string
	Verdict string
	Reason  string
	Detail  string
}

// TraceLeaving is a place where a frame leaves.
type TraceLeaving struct {
	Interface string
	VTEP      netip.Addr // invalid towards the customer
	NextHop   l2.MAC     // of the outer frame; zero when there is none
	VLAN      string     // the tags put on, as in a configuration; empty towards the cloud
	VNI       l2.VNI     // 0 towards the customer
}
