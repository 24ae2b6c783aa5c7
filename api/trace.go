// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

const (
	maxTrace       = 8 << 20 // bytes of a request
	maxTraceFrames = 1000
	traceTimeout   = 20 * time.Second // programs are loaded, and the FDB is copied
)

// MaxTraceFrames is how many frames one request may have.
const MaxTraceFrames = maxTraceFrames

// DefaultTraceSource is the source of a described frame that names none: a locally administered address.
const DefaultTraceSource = "02:00:00:00:00:01"

// TraceRequest is the body of POST …/trace: frames that follow each other.
type TraceRequest struct {
	To     string       `json:"to" enum:"cloud,customer"`
	Frames []TraceFrame `json:"frames"`
	From   string       `json:"from,omitempty"` // to customer: the VTEP that sends; default: the source's, else the first peer
	VNI    uint32       `json:"vni,omitempty"`  // to customer: default: the extension's
}

// TraceFrame is a frame in hexadecimal, or a description of one.
type TraceFrame struct {
	AfterNS   int64  `json:"after_ns,omitempty"` // since the first frame
	Hex       string `json:"hex,omitempty"`
	SrcMAC    string `json:"src_mac,omitempty"` // default: DefaultTraceSource
	DstMAC    string `json:"dst_mac,omitempty"` // default: broadcast
	Type      string `json:"type,omitempty"`
	SrcIP     string `json:"src_ip,omitempty"`
	DstIP     string `json:"dst_ip,omitempty"`
	Proto     string `json:"proto,omitempty"`
	SrcPort   uint32 `json:"src_port,omitempty"`
	DstPort   uint32 `json:"dst_port,omitempty"`
	InnerVLAN uint32 `json:"inner_vlan,omitempty"`
	Size      int    `json:"size,omitempty"` // bytes
}

// Trace says what would become of one frame.
type Trace struct {
	Extension  string         `json:"extension"`
	To         string         `json:"to" enum:"cloud,customer"`
	Frame      TracedFrame    `json:"frame"`
	Stages     []TraceStage   `json:"stages"`
	Outcome    string         `json:"outcome" enum:"forwarded,dropped,host,elsewhere"`
	Reason     string         `json:"reason"` // why it is dropped; else empty
	WouldDrop  []string       `json:"would_drop"`
	Leaves     []TraceLeaving `json:"leaves"`
	Learns     string         `json:"learns"`
	Conclusion string         `json:"conclusion"` // all of it in a sentence
	YAML       string         `json:"yaml"`       // the line under the extension that would change it; empty: none
}

// TracedFrame is the frame without the circuit's tags and outer headers.
type TracedFrame struct {
	Hex     string `json:"hex"`
	Summary string `json:"summary"`
	Size    int    `json:"size"` // bytes
}

// TraceStage is one stage, in their order. Stage 0 is what comes before the extension is known.
type TraceStage struct {
	Stage   int    `json:"stage"`
	Name    string `json:"name"`
	Verdict string `json:"verdict" enum:"pass,drop,would-drop,off,not-reached"`
	Reason  string `json:"reason"`
	Detail  string `json:"detail"`
}

// TraceLeaving is a place where the frame leaves, by so many copies.
type TraceLeaving struct {
	Interface  string `json:"interface"` // empty: by the tunnel device, since the next hop is still asked for
	VTEP       string `json:"vtep"`
	NextHopMAC string `json:"next_hop_mac"`
	VLAN       string `json:"vlan"`
	VNI        uint32 `json:"vni"`
	Copies     int    `json:"copies"`
}

// frameRoutes are those that deal with frames. Customers' payload is for those who may change.
func (s *Server) frameRoutes() []route {
	recording := []parameter{
		{name: "dropped", about: "Only what is dropped, or would be.", kind: false},
		{name: "to", about: "Only one direction.", kind: "", allowed: []string{"cloud", "customer"}},
	}
	return []route{
		{pattern: "POST /v1/extensions/{name}/trace", serve: forExtension(s.postTrace), maxBody: maxTrace, summary: "What would become of frames.",
			takes: &content{media: mediaJSON, values: []any{TraceRequest{}}}, answers: replyJSON("A trace for each frame.", []Trace{})},
		{pattern: "GET /v1/extensions/{name}/record", serve: forExtension(s.getRecord), summary: "Every frame with its verdict, until the reader goes.",
			query: recording, answers: replyText("A capture: each packet's comment is its verdict.", mediaPcapng)},
		{pattern: "GET /v1/extensions/{name}/flight", serve: forExtension(s.getFlight), summary: "The flight recorder's frames.", answers: replyJSON("They flooded or were dropped.", Flight{})},
	}
}

// postTrace changes nothing, and yet needs the right to change: what it takes of the machine is more than reading.
func (s *Server) postTrace(w http.ResponseWriter, r *http.Request) {
	req, problem := readTrace(r)
	if problem != nil {
		problem.write(w)
		return
	}
	ask, err := req.parse()
	if err != nil {
		problemf(http.StatusUnprocessableEntity, "%v", err).write(w)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), traceTimeout)
	defer cancel()
	name := r.PathValue("name")
	results, err := s.gw.Trace(ctx, name, ask)
	switch {
	case errors.Is(err, state.ErrTraceRequest):
		problemf(http.StatusUnprocessableEntity, "%v", err).write(w)
	case err != nil:
		problemOf(err, name).write(w)
	default:
		writeJSON(w, tracesOf(name, req.To, results))
	}
}

func readTrace(r *http.Request) (TraceRequest, *Problem) {
	var req TraceRequest
	body, problem := readAll(r)
	if problem != nil {
		return req, problem
	}
	if media, err := mediaOf(r); err != nil || media != mediaJSON {
		return req, problemf(http.StatusUnsupportedMediaType, "Content-Type is %q: application/json is allowed", r.Header.Get("Content-Type"))
	}
	if err := unmarshalStrict(body, &req); err != nil {
		return req, problemf(http.StatusBadRequest, `the body is not like {"to": "cloud", "frames": [{"type": "arp"}]}: %v`, err)
	}
	return req, nil
}

// parse checks everything that can be checked without the gateway.
func (r *TraceRequest) parse() (state.TraceRequest, error) {
	out := state.TraceRequest{VNI: r.VNI}
	switch r.To {
	case "cloud":
		if r.From != "" || r.VNI != 0 {
			return out, errors.New("from and vni are for frames to the customer")
		}
	case "customer":
		out.Direction = l2.ToCustomer
	default:
		return out, fmt.Errorf("to is %q: cloud or customer is allowed", r.To)
	}
	if r.VNI > 1<<24-1 {
		return out, fmt.Errorf("vni %d is out of range: 1 to 16777215 is allowed", r.VNI)
	}
	if r.From != "" {
		from, err := netip.ParseAddr(r.From)
		if err != nil || from.Zone() != "" {
			return out, fmt.Errorf("from is %q: a VTEP's address is allowed", r.From)
		}
		out.From = from.Unmap()
	}
	if n := len(r.Frames); n < 1 || n > maxTraceFrames {
		return out, fmt.Errorf("there are %d frames: 1 to %d are allowed", n, maxTraceFrames)
	}
	after := int64(0)
	for i := range r.Frames {
		f, err := r.Frames[i].parse()
		if err != nil {
			return out, fmt.Errorf("frame %d: %w", i+1, err)
		}
		after = max(after, min(r.Frames[i].AfterNS, int64(24*time.Hour))) // a capture's clock may go back
		f.After = time.Duration(after)
		out.Frames = append(out.Frames, f)
	}
	return out, nil
}

func (f *TraceFrame) parse() (state.TraceFrame, error) {
	if f.Hex == "" {
		m, err := f.describe()
		return state.TraceFrame{Made: m}, err
	}
	if *f != (TraceFrame{AfterNS: f.AfterNS, Hex: f.Hex}) {
		return state.TraceFrame{}, errors.New("it has hex and a description: one of them is allowed")
	}
	b, err := hex.DecodeString(f.Hex)
	if err != nil {
		return state.TraceFrame{}, notHex(f.Hex)
	}
	return state.TraceFrame{Bytes: b}, nil
}

// notHex says why a text is no frame.
func notHex(text string) error {
	const allowed = "two digits of 0-9 and a-f for each byte are allowed, from the destination MAC on"
	for _, c := range text {
		if !strings.ContainsRune("0123456789abcdefABCDEF", c) {
			return fmt.Errorf("hex has %q: %s", c, allowed)
		}
	}
	return fmt.Errorf("hex has %d digits, an odd number: %s", len(text), allowed)
}

func (f *TraceFrame) describe() (*state.MadeFrame, error) {
	m := &state.MadeFrame{Dst: l2.Broadcast, Kind: f.Type, Proto: f.Proto, Size: f.Size}
	source := f.SrcMAC
	if source == "" {
		source = DefaultTraceSource
	}
	var errs [7]error
	m.Src, errs[0] = l2.ParseMAC(source)
	if f.DstMAC != "" {
		m.Dst, errs[1] = l2.ParseMAC(f.DstMAC)
	}
	m.SrcIP, errs[2] = optionalAddr("src_ip", f.SrcIP)
	m.DstIP, errs[3] = optionalAddr("dst_ip", f.DstIP)
	m.SrcPort, errs[4] = portOf("src_port", f.SrcPort)
	m.DstPort, errs[5] = portOf("dst_port", f.DstPort)
	if f.InnerVLAN != 0 {
		m.InnerVLAN, errs[6] = l2.NewVID(int(f.InnerVLAN))
	}
	if f.Size < 0 {
		return nil, fmt.Errorf("size %d is negative", f.Size)
	}
	return m, errors.Join(errs[:]...)
}

func optionalAddr(name, text string) (netip.Addr, error) {
	if text == "" {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%s is %q: an IP address is allowed", name, text)
	}
	return a.Unmap(), nil
}

func portOf(name string, n uint32) (uint16, error) {
	if n > 65535 {
		return 0, fmt.Errorf("%s %d is out of range: 1 to 65535 is allowed", name, n)
	}
	return uint16(n), nil
}

func tracesOf(ext, to string, results []state.TraceResult) []Trace {
	out := make([]Trace, 0, len(results))
	for i := range results {
		r := &results[i]
		t := Trace{
			Extension: ext, To: to, Frame: TracedFrame{Hex: hex.EncodeToString(r.Bytes), Summary: r.Summary, Size: len(r.Bytes)},
			Stages: make([]TraceStage, 0, len(r.Stages)), Outcome: r.Outcome, Reason: r.Reason, WouldDrop: filled(r.WouldDrop),
			Leaves: make([]TraceLeaving, 0, len(r.Leaves)), Learns: r.Learns, Conclusion: r.Conclusion, YAML: r.YAML,
		}
		for _, s := range r.Stages {
			t.Stages = append(t.Stages, TraceStage{Stage: s.Number, Name: s.Name, Verdict: s.Verdict, Reason: s.Reason, Detail: s.Detail})
		}
		for _, l := range r.Leaves {
			t.Leaves = append(t.Leaves, leavingOf(l))
		}
		out = append(out, t)
	}
	return out
}

func leavingOf(l state.TraceLeaving) TraceLeaving {
	out := TraceLeaving{Interface: l.Interface, VTEP: addrText(l.VTEP), VLAN: l.VLAN, VNI: uint32(l.VNI), Copies: 1}
	if !l.NextHop.IsZero() {
		out.NextHopMAC = l.NextHop.String()
	}
	return out
}
