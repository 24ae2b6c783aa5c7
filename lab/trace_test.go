// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/lab"
	"github.com/drawbridge-l2/drawbridge/pcapng"
)

// TestTraceRecordTune: what users ask the real daemon about frames.
func TestTraceRecordTune(t *testing.T) {
	onEngines(t, func(t *testing.T, engine string) {
		b := start(t, engine, lab.Config{Hypervisors: 2}, func(c *lab.GatewayConfig) {
			c.Extension("acme").Guard = "{mode: observe, services: {dhcp: cloud}, storm: {broadcast: 4pps}}"
		})
		b.meet("acme")
		b.traces()
		b.records()
		b.tunes()
	})
}

// traced is the document of `trace -o json` as users were promised it.
type traced struct {
	Extension string `json:"extension"`
	To        string `json:"to"`
	Frame     struct {
		Hex     string `json:"hex"`
		Summary string `json:"summary"`
		Size    int    `json:"size"`
	} `json:"frame"`
	Stages []struct {
		Stage   int    `json:"stage"`
		Name    string `json:"name"`
		Verdict string `json:"verdict"`
		Reason  string `json:"reason"`
		Detail  string `json:"detail"`
	} `json:"stages"`
	Outcome   string   `json:"outcome"`
	Reason    string   `json:"reason"`
	WouldDrop []string `json:"would_drop"`
	Leaves    []struct {
		Interface  string `json:"interface"`
		VTEP       string `json:"vtep"`
		NextHopMAC string `json:"next_hop_mac"`
		VLAN       string `json:"vlan"`
		VNI        uint32 `json:"vni"`
		Copies     int    `json:"copies"`
	} `json:"leaves"`
}

func (b *bench) trace(args ...string) traced {
	b.Helper()
	r := b.daemon.Run(append([]string{"trace", "acme", "-o", "json"}, args...)...)
	var t traced
	if err := json.Unmarshal([]byte(r.Stdout), &t); err != nil || r.Code != 0 {
		b.Fatalf("trace %v: exit code %d, %v: %s%s", args, r.Code, err, r.Stdout, r.Stderr)
	}
	return t
}

func (b *bench) traces() {
	b.Helper()
	host, vm := b.Host("acme", 0), b.VM("acme", 1, 0)
	before := b.status()
	known := b.trace("--to", "cloud", "--src-mac", host.MAC.String(), "--dst-mac", vm.MAC.String(), "--proto", "tcp")
	if vtep := b.Hypervisors[1].VTEP.String(); known.Outcome != "forwarded" || len(known.Leaves) != 1 || known.Leaves[0].VTEP != vtep ||
		known.Leaves[0].Interface != b.Gateway.Uplinks[0] || known.Leaves[0].NextHopMAC == "" || len(known.Stages) != 16 {
		b.Errorf("to a VM at %s: %+v", vtep, known)
	}
	if flood := b.trace("--to", "cloud", "--src-mac", host.MAC.String()); flood.Outcome != "forwarded" || len(flood.Leaves) != 2 {
		b.Errorf("a broadcast: %+v", flood)
	}
	offer := b.trace("--to", "cloud", "--src-mac", host.MAC.String(), "--proto", "udp", "--src-port", "67", "--dst-port", "68")
	if offer.Outcome != "forwarded" || fmt.Sprint(offer.WouldDrop) != "[service-dhcp]" {
		b.Errorf("a DHCP offer: %+v", offer)
	}
	stranger := b.trace("--to", "customer", "--from", "192.0.2.250")
	if stranger.Outcome != "dropped" || stranger.Reason != "unknown-vtep" {
		b.Errorf("a strange VTEP: %+v", stranger)
	}
	back := b.trace("--to", "customer", "--src-mac", vm.MAC.String(), "--dst-mac", host.MAC.String())
	if back.Outcome != "forwarded" || len(back.Leaves) != 1 || back.Leaves[0].Interface != b.Gateway.CustomerNICs[0] {
		b.Errorf("to the host: %+v", back)
	}
	hex := b.trace("--to", "cloud", "--hex", fmt.Sprintf("%x", mark(host.MAC, vm.MAC, 1).Bytes()))
	if hex.Outcome != "forwarded" || hex.Frame.Size != 60 {
		b.Errorf("in hexadecimal: %+v", hex)
	}
	after := b.status()
	for _, nic := range []string{b.Gateway.CustomerNICs[0], b.Gateway.Uplinks[0]} {
		if x, y := before.Interface(nic).Drops, after.Interface(nic).Drops; fmt.Sprint(x) != fmt.Sprint(y) {
			b.Errorf("%s: drops %v became %v", nic, x, y)
		}
	}
	if r := b.daemon.Run("trace", "acme", "--to", "cloud", "--type", "lldp"); r.Code != 0 || !strings.Contains(r.Stdout, "control-frames: {lldp: tunnel}") {
		b.Errorf("text: exit code %d: %s%s", r.Code, r.Stdout, r.Stderr)
	} else {
		b.Logf("\n%s", r.Stdout)
	}
	for _, c := range []struct {
		args []string
		code int
	}{
		{[]string{"acme", "--to", "cloud", "--hex", "00"}, 2}, {[]string{"acme", "--to", "cloud", "--type", "ipx"}, 2},
		{[]string{"nobody", "--to", "cloud"}, 1},
	} {
		if r := b.daemon.Run(append([]string{"trace"}, c.args...)...); r.Code != c.code || r.Stderr == "" || r.Stdout != "" {
			b.Errorf("trace %v: exit code %d, want %d: %s%s", c.args, r.Code, c.code, r.Stdout, r.Stderr)
		}
	}
	b.traceFile()
}

// traceFile traces a capture that the tests wrote.
func (b *bench) traceFile() {
	b.Helper()
	name := filepath.Join(b.TempDir(), "in.pcapng")
	f, err := os.Create(name)
	must(b.T, err)
	w, err := pcapng.NewWriter(f, "test", "x", "", 0)
	must(b.T, err)
	for i := range 3 {
		must(b.T, w.Write(pcapng.Packet{Bytes: mark(b.Host("acme", 0).MAC, l2.Broadcast, uint32(i)).Bytes()}))
	}
	must(b.T, f.Close())
	r := b.daemon.Run("trace", "acme", "--to", "cloud", "--pcap", name)
	if lines := strings.Split(strings.TrimSpace(r.Stdout), "\n"); r.Code != 0 || len(lines) != 3 || !strings.Contains(lines[0], "forwarded") {
		b.Errorf("a capture: exit code %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
}

// background starts a command, which the caller interrupts.
func (b *bench) background(args ...string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	b.Helper()
	cmd = b.Gateway.Command(b.daemon.Binary, args...)
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Env = append(os.Environ(), "DRAWBRIDGE_SOCKET="+b.daemon.Socket(), "NO_COLOR=1")
	must(b.T, cmd.Start())
	b.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, stdout, stderr
}

func (b *bench) interrupt(cmd *exec.Cmd, stderr *bytes.Buffer) {
	b.Helper()
	must(b.T, cmd.Process.Signal(syscall.SIGINT))
	if err := cmd.Wait(); err != nil {
		b.Errorf("%v: %s", err, stderr)
	}
}

// readCapture reads what is complete of a capture.
func readCapture(name string) ([]pcapng.Packet, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := pcapng.NewReader(f)
	if err != nil {
		return nil, err
	}
	var packets []pcapng.Packet
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return packets, nil
		}
		if err != nil {
			return packets, err
		}
		packets = append(packets, p)
	}
}

// records captures live, and has a strict reader look at the file.
func (b *bench) records() {
	b.Helper()
	host, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
	name := filepath.Join(b.TempDir(), "acme.pcapng")
	cmd, _, stderr := b.background("record", "acme", "-w", name)
	offer := frame.Ethernet{Dst: vm.MAC, Src: host.MAC}.With(frame.IPv4{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2")},
		frame.UDP{SrcPort: 67, DstPort: 68}, frame.DHCPv4{Type: frame.DHCPOffer})
	err := lab.Wait(patience, "frames in the capture", func() error {
		must(b.T, host.Send(host.Link, mark(host.MAC, vm.MAC, 4711), offer))
		must(b.T, vm.Send(vm.Link, mark(vm.MAC, host.MAC, 4712)))
		packets, err := readCapture(name)
		if err != nil {
			return err
		}
		return recordedAll(packets)
	})
	must(b.T, err)
	b.interrupt(cmd, stderr)
	if !strings.Contains(stderr.String(), " frames recorded, 0 lost") {
		b.Errorf("record says %q", stderr)
	}
	info, err := os.Stat(name)
	must(b.T, err)
	if info.Mode().Perm() != 0o600 {
		b.Errorf("the capture has the mode %s", info.Mode())
	}
	out, err := exec.Command("tshark", "-r", name, "-T", "fields", "-e", "frame.comment").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "to-cloud, forwarded, would be dropped: service-dhcp") {
		b.Errorf("tshark (packaging/setup.sh test installs it): %v: %s", err, out)
	}
}

// recordedAll wants both marks and the offer, with their verdicts.
func recordedAll(packets []pcapng.Packet) error {
	missing := map[string]bool{"to-cloud, forwarded": true, "to-customer, forwarded": true, "to-cloud, forwarded, would be dropped: service-dhcp": true}
	for _, p := range packets {
		n, _, isMark := markNumber(p.Bytes)
		verdict := map[uint32]string{4711: "to-cloud, forwarded", 4712: "to-customer, forwarded"}[n]
		if isMark && p.Comment != verdict && verdict != "" {
			return fmt.Errorf("mark %d has the comment %q", n, p.Comment)
		}
		if isMark || strings.HasSuffix(p.Comment, "service-dhcp") {
			delete(missing, p.Comment)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("missing of %d packets: %v", len(packets), missing)
	}
	return nil
}

// tunes watches while machines speak, and reads the proposal; and ends a long watch early.
func (b *bench) tunes() {
	b.Helper()
	host := b.Host("acme", 0)
	cmd, stdout, stderr := b.background("tune", "acme", "--for", "4s")
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	offer := frame.Ethernet{Dst: l2.Broadcast, Src: host.MAC}.With(frame.IPv4{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("255.255.255.255")},
		frame.UDP{SrcPort: 67, DstPort: 68}, frame.DHCPv4{Type: frame.DHCPOffer})
	number := uint32(0)
	for running := true; running; {
		select {
		case err := <-ended:
			must(b.T, err)
			running = false
		default:
			must(b.T, host.Send(host.Link, offer, frame.GratuitousARP(host.MAC, host.IPv4.Addr()), mark(host.MAC, l2.Broadcast, number)))
			number++
		}
	}
	for _, want := range []string{"mode observe", "extensions:\n  acme:\n    guard:\n      storm:\n        arp-nd: ", "        broadcast: ", "dhcp: customer    # ", "limit: "} {
		if !strings.Contains(stdout.String(), want) {
			b.Errorf("no %q in the proposal:\n%s%s", want, stdout, stderr)
		}
	}
	b.Logf("\n%s", stdout)
	b.tuneEndsEarly()
}

func (b *bench) tuneEndsEarly() {
	b.Helper()
	notes, err := os.Create(filepath.Join(b.TempDir(), "notes"))
	must(b.T, err)
	defer notes.Close()
	var stdout bytes.Buffer
	cmd := b.Gateway.Command(b.daemon.Binary, "tune", "acme", "--for", "24h")
	cmd.Stdout, cmd.Stderr = &stdout, notes
	cmd.Env = append(os.Environ(), "DRAWBRIDGE_SOCKET="+b.daemon.Socket())
	must(b.T, cmd.Start())
	b.Cleanup(func() { _ = cmd.Process.Kill() })
	must(b.T, lab.Wait(patience, "tune to begin", func() error {
		text, err := os.ReadFile(notes.Name())
		if err == nil && !strings.Contains(string(text), "watching acme for 24h") {
			err = errors.New("it says: " + string(text))
		}
		return err
	}))
	must(b.T, cmd.Process.Signal(syscall.SIGINT))
	if err := cmd.Wait(); err != nil || !strings.Contains(stdout.String(), "extensions:\n  acme:") {
		b.Errorf("ended early: %v: %s", err, &stdout)
	}
}
