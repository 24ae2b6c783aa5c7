// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/drawbridge-l2/drawbridge/api"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/pcapng"
	"github.com/drawbridge-l2/drawbridge/state"
)

func TestTraceAsksForWhatTheFlagsSay(t *testing.T) {
	gw := &fakeGateway{status: exampleStatus()}
	socket := serve(t, gw)
	for _, c := range []struct {
		args string
		want state.TraceRequest
	}{
		{"trace acme --to cloud", state.TraceRequest{Frames: []state.TraceFrame{{Made: &state.MadeFrame{Src: l2.MAC{2, 0, 0, 0, 0, 1}, Dst: l2.Broadcast}}}}},
		{"trace acme --to customer --from 192.0.2.20 --vni 7 --src-mac 02:00:00:00:00:09 --dst-mac 02:00:00:00:00:08 --type ipv4 --src-ip 10.0.0.1 --dst-ip 10.0.0.2 --proto udp --src-port 67 --dst-port 68 --inner-vlan 10 --size 400",
			state.TraceRequest{Direction: l2.ToCustomer, From: netip.MustParseAddr("192.0.2.20"), VNI: 7, Frames: []state.TraceFrame{{Made: &state.MadeFrame{
				Src: l2.MAC{2, 0, 0, 0, 0, 9}, Dst: l2.MAC{2, 0, 0, 0, 0, 8}, Kind: "ipv4", SrcIP: netip.MustParseAddr("10.0.0.1"), DstIP: netip.MustParseAddr("10.0.0.2"),
				Proto: "udp", SrcPort: 67, DstPort: 68, InnerVLAN: 10, Size: 400}}}}},
		{"trace acme --to cloud --hex 0x0200:0000:0001", state.TraceRequest{Frames: []state.TraceFrame{{Bytes: []byte{2, 0, 0, 0, 0, 1}}}}},
	} {
		if _, stderr, code := run(t, append(strings.Fields(c.args), "--socket", socket)...); code != 0 {
			t.Errorf("%s: exit code %d: %s", c.args, code, stderr)
			continue
		}
		got := gw.traced[len(gw.traced)-1]
		if diff := cmp.Diff(c.want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("%s:\n%s", c.args, diff)
		}
	}
}

func TestTraceText(t *testing.T) {
	socket := serve(t, &fakeGateway{status: exampleStatus()})
	stdout, _, code := run(t, "trace", "acme", "--to", "cloud", "--src-mac", "01:00:00:00:00:01", "--socket", socket)
	want := `acme, to cloud: 02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff, ARP [2J, 0 bytes

#  STAGE       VERDICT  DETAIL
0  circuit     pass     eth2
1  raised      pass
2  bad-source  drop     a group

dropped as bad-source (under extensions.acme)
`
	if code != 0 || stdout != want {
		t.Errorf("exit code %d:\n%s\nwant:\n%s", code, stdout, want)
	}
	stdout, _, _ = run(t, "trace", "acme", "--to", "cloud", "-o", "json", "--socket", socket)
	var one api.Trace
	if err := json.Unmarshal([]byte(stdout), &one); err != nil || one.Outcome != "forwarded" || one.Extension != "acme" || one.To != "cloud" {
		t.Errorf("%v: %s", err, stdout)
	}
}

func TestTraceOfACapture(t *testing.T) {
	gw := &fakeGateway{status: exampleStatus()}
	socket := serve(t, gw)
	var file bytes.Buffer
	w, err := pcapng.NewWriter(&file, "a", "b", "c", 0)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1e9, 0)
	for i := range api.MaxTraceFrames + 2 {
		b := make([]byte, 14)
		b[6] = byte(i % 2)
		if err := w.Write(pcapng.Packet{At: at.Add(time.Duration(i) * time.Millisecond), Size: 20, Bytes: b}); err != nil {
			t.Fatal(err)
		}
	}
	name := filepath.Join(t.TempDir(), "x.pcapng")
	if err := os.WriteFile(name, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := run(t, "trace", "acme", "--to", "cloud", "--pcap", name, "--socket", socket)
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if code != 0 || len(lines) != api.MaxTraceFrames+2 || !strings.HasPrefix(lines[1], "    2  dropped: bad-source") || !strings.Contains(stderr, "from frame 1001 on") {
		t.Errorf("exit code %d, %d lines, %s: %s", code, len(lines), stderr, lines[1])
	}
	if f := gw.traced[0].Frames[5]; f.After != 5*time.Millisecond || len(f.Bytes) != 20 {
		t.Errorf("the sixth frame has %d bytes, after %s", len(f.Bytes), f.After)
	}
	stdout, _, _ = run(t, "trace", "acme", "--to", "cloud", "--pcap", name, "-o", "json", "--socket", socket)
	var all []api.Trace
	if err := json.Unmarshal([]byte(stdout), &all); err != nil || len(all) != len(lines) {
		t.Errorf("%v: %d traces", err, len(all))
	}
	if _, stderr, code := run(t, "trace", "acme", "--to", "cloud", "--pcap", name+"x", "--socket", socket); code != 1 || !strings.Contains(stderr, "open capture") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

func TestTraceRefused(t *testing.T) {
	socket := serve(t, &fakeGateway{status: exampleStatus()})
	for args, want := range map[string]int{
		"trace": 2, "trace acme": 2, "trace acme --to there": 2, "trace acme --to cloud --hex 00 --type arp": 2, "trace acme --to cloud --hex 00 --pcap x": 2,
		"trace acme --to cloud -v": 2, "trace nobody --to cloud": 1, "trace acme --to cloud --hex 0": 2, "trace acme --to cloud --src-mac 1": 2,
		"trace acme --to cloud --from 192.0.2.1": 2, "trace acme --to customer --from x": 2, "trace acme --to cloud --src-port 70000": 2,
		"trace acme --to cloud --inner-vlan 5000": 2, "trace acme --to cloud --size -1": 2, "trace acme --to customer --vni 16777216": 2,
		"raise acme --reason \x1b": 2, "record": 2, "record acme --to there": 2, "record nobody": 1, "tune": 2, "tune acme --for 1ms": 2, "tune acme --for 9999h": 2, "tune nobody": 1,
	} {
		stdout, stderr, code := run(t, append(strings.Fields(args), "--socket", socket)...)
		if code != want || stdout != "" || !strings.HasPrefix(stderr, "drawbridge: ") {
			t.Errorf("%s: exit code %d, want %d; stdout %q, stderr %q", args, code, want, stdout, stderr)
		}
	}
}

func recordedFrames() []state.RecordedFrame {
	return []state.RecordedFrame{
		{At: since, Direction: l2.ToCloud, Size: 60, Bytes: make([]byte, 60)},
		{At: since, Direction: l2.ToCustomer, Reason: "storm-broadcast", Size: 1500, Bytes: make([]byte, 512)},
		{At: since, Direction: l2.ToCloud, WouldDrop: "mac-rate", Size: 60, Bytes: make([]byte, 60)},
	}
}

// waitFor waits until a capture in a file has so many packets.
func waitFor(t *testing.T, name string, count int) []pcapng.Packet {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		data, _ := os.ReadFile(name)
		var packets []pcapng.Packet
		if r, err := pcapng.NewReader(bytes.NewReader(data)); err == nil {
			for p, err := r.Next(); err == nil; p, err = r.Next() {
				packets = append(packets, p)
			}
		}
		if len(packets) >= count {
			return packets
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d packets, want %d", len(packets), count)
		}
	}
}

func TestRecord(t *testing.T) {
	for args, want := range map[string][]string{
		"":                     {"to-cloud, forwarded", "to-customer, dropped: storm-broadcast", "to-cloud, forwarded, would be dropped: mac-rate"},
		"--dropped":            {"to-customer, dropped: storm-broadcast", "to-cloud, forwarded, would be dropped: mac-rate"},
		"--to cloud":           {"to-cloud, forwarded", "to-cloud, forwarded, would be dropped: mac-rate"},
		"--to cloud --dropped": {"to-cloud, forwarded, would be dropped: mac-rate"},
	} {
		socket := serve(t, &fakeGateway{status: exampleStatus(), recorded: recordedFrames()})
		name := filepath.Join(t.TempDir(), "x.pcapng")
		if err := os.WriteFile(name, []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		type result struct {
			stderr string
			code   int
		}
		ended := make(chan result, 1)
		go func() {
			_, stderr, code := runContext(ctx, append(strings.Fields("record acme "+args), "-w", name, "--socket", socket)...)
			ended <- result{stderr, code}
		}()
		var got []string
		for _, p := range waitFor(t, name, len(want)) {
			got = append(got, p.Comment)
		}
		cancel()
		r := <-ended
		if diff := cmp.Diff(want, got); diff != "" || r.code != 0 || !strings.Contains(r.stderr, " frames recorded, 0 lost") {
			t.Errorf("%s: exit code %d, %s\n%s", args, r.code, r.stderr, diff)
		}
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, mode %v", err, info.Mode())
		}
	}
}

// What was recorded goes to standard output for programs, unless the capture goes there.
func TestRecordTellsPrograms(t *testing.T) {
	socket := serve(t, &fakeGateway{status: exampleStatus(), recorded: recordedFrames()})
	o := recordOptions{options: options{socket: socket, output: outputJSON}, file: filepath.Join(t.TempDir(), "x.pcapng")}
	ctx, cancel := context.WithCancel(t.Context())
	var stdout, stderr bytes.Buffer
	ended := make(chan error, 1)
	go func() { ended <- recordFrames(ctx, &stdout, &stderr, "acme", &o) }()
	waitFor(t, o.file, len(recordedFrames()))
	cancel()
	if err := <-ended; err != nil || stderr.Len() > 0 || stdout.String() != "{\"recorded\": 3, \"lost\": 0}\n" {
		t.Errorf("%v, stdout %s, stderr %s", err, &stdout, &stderr)
	}
}

// A recording that the daemon ends is told as that, with what the file holds.
func TestRecordThatTheDaemonEnds(t *testing.T) {
	gw := &fakeGateway{status: exampleStatus(), recorded: recordedFrames(), gone: make(chan struct{})}
	socket := serve(t, gw)
	name := filepath.Join(t.TempDir(), "x.pcapng")
	type result struct {
		stderr string
		code   int
	}
	ended := make(chan result, 1)
	go func() {
		_, stderr, code := run(t, "record", "acme", "-w", name, "--socket", socket)
		ended <- result{stderr, code}
	}()
	waitFor(t, name, len(recordedFrames()))
	close(gw.gone)
	r := <-ended
	want := "drawbridge: 3 frames recorded, 0 lost\n" +
		"drawbridge: the daemon ended the recording: it ended itself, or extension acme was removed; what came until then is whole in " + name + "\n"
	if r.code != 1 || r.stderr != want {
		t.Errorf("exit code %d, %s\nwant %s", r.code, r.stderr, want)
	}
	waitFor(t, name, len(recordedFrames()))
}

func TestTune(t *testing.T) {
	gw := &fakeGateway{status: exampleStatus(), flights: []state.Flight{
		{Mode: state.Enforce, Taken: 10},
		{Mode: state.Enforce, Taken: 12, Frames: []state.RecordedFrame{
			{At: time.Now(), Direction: l2.ToCloud, Size: 60, Bytes: append(append(bytes.Repeat([]byte{0xff}, 6), 2, 0, 0, 0, 0, 1, 0x88, 0xb6), make([]byte, 46)...)},
		}},
	}}
	socket := serve(t, gw)
	stdout, stderr, code := run(t, "tune", "acme", "--for", "1s", "--socket", socket)
	for _, want := range []string{"extensions:\n  acme:\n    guard:\n", "broadcast: 10pps    # to-cloud peak 2/s", "The mode is enforce", "limit: 28    # at most 3 on the customer's side, 7 in the cloud"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	if code != 0 || !strings.Contains(stderr, "watching acme for 1s") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	stdout, _, _ = run(t, "tune", "acme", "--for", "1s", "-o", "json", "--socket", socket)
	var d tuneDocument
	if err := json.Unmarshal([]byte(stdout), &d); err != nil || d.Extension != "acme" || d.Margin != 4 || len(d.Lines) == 0 {
		t.Errorf("%v: %s", err, stdout)
	}
}
