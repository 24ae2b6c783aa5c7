// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/pcapng"
	"github.com/drawbridge-l2/drawbridge/state"
)

const tracePath = "/v1/extensions/acme/trace"

func TestTraceAnswers(t *testing.T) {
	gw := newFake()
	socket, _ := start(t, gw, testOptions())
	body := `{"to":"customer","from":"::ffff:192.0.2.21","vni":7,"frames":[{"type":"arp"},{"hex":"0102","after_ns":5},{"src_mac":"01:00:00:00:00:01"}]}`
	resp, text := ask(t, socket, http.MethodPost, tracePath, "application/json", body)
	var traces []Trace
	if err := json.Unmarshal([]byte(text), &traces); err != nil || resp.StatusCode != 200 || len(traces) != 3 {
		t.Fatalf("%d, %v: %s", resp.StatusCode, err, text)
	}
	if got := gw.changes[0]; got != "trace acme to-customer from 192.0.2.21 vni 7: 3 frames" {
		t.Error(got)
	}
	if one := traces[1]; one.Extension != "acme" || one.To != "customer" || one.Frame != (TracedFrame{"0102", "a frame", 2}) || one.Leaves[0] != (TraceLeaving{"eth1", "192.0.2.20", "02:00:00:00:00:00", "", 10100, 1}) {
		t.Errorf("%+v", one)
	}
	for _, want := range []string{`"outcome":"dropped","reason":"bad-source","would_drop":[],"leaves":[]`, `"stages":[{"stage":0,"name":"circuit","verdict":"pass","reason":"","detail":""}]`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
}

func TestTraceRefuses(t *testing.T) {
	socket, _ := start(t, newFake(), testOptions())
	many := strings.TrimSuffix(strings.Repeat(`{},`, maxTraceFrames+1), ",")
	for body, want := range map[string]int{
		``: 400, `{}`: 422, `[]`: 400, `{"to":"cloud"}`: 422, `{"to":"cloud","frames":[]}`: 422, `{"to":"cloud","frames":[{}],"x":1}`: 400,
		`{"to":"moon","frames":[{}]}`: 422, `{"to":"cloud","frames":[` + many + `]}`: 422, `{"to":"cloud","from":"192.0.2.1","frames":[{}]}`: 422,
		`{"to":"customer","from":"fe80::1%eth0","frames":[{}]}`: 422, `{"to":"customer","vni":16777216,"frames":[{}]}`: 422, `{"to":"customer","vni":-1,"frames":[{}]}`: 400,
		`{"to":"cloud","frames":[{"hex":"0g"}]}`: 422, `{"to":"cloud","frames":[{"hex":"00","type":"arp"}]}`: 422, `{"to":"cloud","frames":[{"type":"ipx"}]}`: 422,
		`{"to":"cloud","frames":[{"src_ip":"10.0.0.256"}]}`: 422, `{"to":"cloud","frames":[{"dst_mac":"x"}]}`: 422, `{"to":"cloud","frames":[{"dst_port":65536}]}`: 422,
		`{"to":"cloud","frames":[{"inner_vlan":4095}]}`: 422, `{"to":"cloud","frames":[{"size":-1}]}`: 422, `{"to":"` + strings.Repeat("x", maxTrace) + `"}`: 413,
	} {
		resp, text := ask(t, socket, http.MethodPost, tracePath, "application/json", body)
		var p Problem
		if err := json.Unmarshal([]byte(text), &p); err != nil || resp.StatusCode != want || p.Detail == "" || p.Status != want {
			t.Errorf("%.80s: %d, want %d: %v %s", body, resp.StatusCode, want, err, text)
		}
	}
	for path, want := range map[string]int{"/v1/extensions/nobody/trace": 404, "/v1/extensions/NO/trace": 404} {
		if resp, text := ask(t, socket, http.MethodPost, path, "application/json", `{"to":"cloud","frames":[{}]}`); resp.StatusCode != want {
			t.Errorf("%s: %d: %s", path, resp.StatusCode, text)
		}
	}
	if resp, _ := ask(t, socket, http.MethodPost, tracePath, "text/plain", `{}`); resp.StatusCode != 415 {
		t.Errorf("text: %d", resp.StatusCode)
	}
}

// What is no hexadecimal is told with what is allowed.
func TestTraceNamesWhatIsNoHex(t *testing.T) {
	const allowed = "two digits of 0-9 and a-f for each byte are allowed, from the destination MAC on"
	for text, want := range map[string]string{"zz": "frame 1: hex has 'z': ", "0ä": "frame 1: hex has 'ä': ", "020": "frame 1: hex has 3 digits, an odd number: "} {
		r := TraceRequest{To: "cloud", Frames: []TraceFrame{{Hex: text}}}
		if _, err := r.parse(); err == nil || err.Error() != want+allowed {
			t.Errorf("%s: %v, want %s%s", text, err, want, allowed)
		}
	}
}

// Frames are customers' payload: who may only read gets none.
func TestWhoMaySeeFrames(t *testing.T) {
	for name, c := range map[string]struct {
		peer Peer
		want int
	}{"root": {Peer{}, 200}, "changing": {Peer{UID: 5, GID: 700}, 200}, "reading": {Peer{UID: 5, GID: 701}, 403}, "nobody": {Peer{UID: 5}, 403}} {
		socket, _ := start(t, newFake(), Options{Credentials: asPeer(c.peer), LookupGroup: testGroups})
		if resp, text := ask(t, socket, http.MethodGet, "/v1/extensions/acme/flight", "", ""); resp.StatusCode != c.want {
			t.Errorf("%s, flight: %d: %s", name, resp.StatusCode, text)
		}
		if resp, text := ask(t, socket, http.MethodPost, tracePath, "application/json", `{"to":"cloud","frames":[{}]}`); resp.StatusCode != c.want {
			t.Errorf("%s, trace: %d: %s", name, resp.StatusCode, text)
		}
		ctx, cancel := context.WithCancel(t.Context())
		client := NewClient(socket)
		err := client.Record(ctx, "acme", Recording{}, func([]byte) error { cancel(); return nil })
		cancel()
		client.Close()
		if (err == nil) != (c.want == 200) {
			t.Errorf("%s, record: %v", name, err)
		}
	}
}

func TestSourcesAnswer(t *testing.T) {
	socket, _ := start(t, newFake(), testOptions())
	client := NewClient(socket)
	defer client.Close()
	got, err := client.Sources(t.Context(), "acme")
	want := []Source{{To: "cloud", MAC: "02:00:00:00:00:01", IP: "10.1.0.11", Share: 0.93}, {To: "customer", MAC: "02:00:00:00:00:02", VLAN: 30, Share: 1}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v: %+v", err, got)
	}
	if _, err := client.Sources(t.Context(), "nobody"); !errors.Is(err, ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
}

func TestFlightAnswers(t *testing.T) {
	socket, _ := start(t, newFake(), testOptions())
	client := NewClient(socket)
	defer client.Close()
	f, err := client.Flight(t.Context(), "acme")
	if err != nil || f.Mode != "observe" || f.Taken != 7 || len(f.Frames) != 1 || f.Frames[0].To != "customer" || f.Frames[0].Hex != "010203" || f.Frames[0].WouldDrop != "storm-broadcast" {
		t.Errorf("%v: %+v", err, f)
	}
	if _, err := client.Flight(t.Context(), "nobody"); !errors.Is(err, ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
}

// record collects blocks until a packet with the comment has come.
func record(t *testing.T, gw *fakeGateway, choice Recording, last string, frames ...state.RecordedFrame) []byte {
	t.Helper()
	socket, _ := start(t, gw, testOptions())
	client := NewClient(socket)
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go func() {
		for _, f := range frames {
			select {
			case gw.frames <- f:
			case <-ctx.Done():
			}
		}
	}()
	var all bytes.Buffer
	err := client.Record(ctx, "acme", choice, func(block []byte) error {
		all.Write(block)
		if pcapng.IsPacket(block) && bytes.Contains(block, []byte(last)) {
			cancel()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.Bytes()
}

func TestRecordStreams(t *testing.T) {
	frames := []state.RecordedFrame{
		{At: exampleTime, Direction: l2.ToCloud, Size: 1400, Bytes: make([]byte, 512)},
		{At: exampleTime, Direction: l2.ToCustomer, Reason: "mac-move", Size: 60, Bytes: make([]byte, 60)},
		{At: exampleTime, Direction: l2.ToCloud, WouldDrop: "mac-rate", Size: 60, Bytes: make([]byte, 60)},
	}
	for name, c := range map[string]struct {
		choice Recording
		want   string
	}{
		"all":     {Recording{}, "[to-cloud, forwarded to-customer, dropped: mac-move to-cloud, forwarded, would be dropped: mac-rate]"},
		"dropped": {Recording{Dropped: true}, "[to-customer, dropped: mac-move to-cloud, forwarded, would be dropped: mac-rate]"},
		"cloud":   {Recording{To: "cloud"}, "[to-cloud, forwarded to-cloud, forwarded, would be dropped: mac-rate]"},
	} {
		r, err := pcapng.NewReader(bytes.NewReader(record(t, newFake(), c.choice, "mac-rate", frames...)))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for p, err := r.Next(); err == nil; p, err = r.Next() {
			got = append(got, p.Comment)
			if p.ToCloud != strings.HasPrefix(p.Comment, "to-cloud") || !p.At.Equal(exampleTime) {
				t.Errorf("%s: %+v", name, p)
			}
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
	}
}

// A reader that takes nothing costs the daemon no more than its share.
func TestWaitingFramesAreBounded(t *testing.T) {
	q := &waitingFrames{}
	for range 1 << 15 {
		q.add(state.RecordedFrame{Bytes: make([]byte, 512)})
	}
	frames, seen, lost := q.take()
	if seen != 1<<15 || uint64(len(frames))+lost != seen || lost == 0 || len(frames)*(512+recordOverhead) > recordWaiting {
		t.Errorf("%d wait, %d seen, %d lost", len(frames), seen, lost)
	}
	q.add(state.RecordedFrame{})
	if frames, _, again := q.take(); len(frames) != 1 || again != lost {
		t.Errorf("%d wait, %d lost, after %d", len(frames), again, lost)
	}
}

func TestRecordRefuses(t *testing.T) {
	gw := newFake()
	socket, _ := start(t, gw, testOptions())
	for path, want := range map[string]int{"acme/record?dropped=perhaps": 400, "acme/record?to=moon": 400, "nobody/record": 404} {
		if resp, text := ask(t, socket, http.MethodGet, "/v1/extensions/"+path, "", ""); resp.StatusCode != want {
			t.Errorf("%s: %d: %s", path, resp.StatusCode, text)
		}
	}
	gw.err = fmt.Errorf("%w: 4 run", ErrBusy)
	if resp, text := ask(t, socket, http.MethodGet, "/v1/extensions/acme/record", "", ""); resp.StatusCode != 503 || !strings.Contains(text, "end one of them first") {
		t.Errorf("busy: %d: %s", resp.StatusCode, text)
	}
}

func FuzzTraceRequest(f *testing.F) {
	f.Add([]byte(`{"to":"cloud","frames":[{"type":"arp","src_mac":"02:00:00:00:00:01"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var r TraceRequest
		if unmarshalStrict(body, &r) == nil {
			if ask, err := r.parse(); err == nil && len(ask.Frames) != len(r.Frames) {
				t.Errorf("%d frames of %d", len(ask.Frames), len(r.Frames))
			}
		}
	})
}
