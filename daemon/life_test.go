// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/cli"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// repair is how soon the daemon must follow the host, as promised, and a little for a busy machine.
const repair = 3 * time.Second

// site is a lab with a real daemon: this test binary.
type site struct {
	*lab.Lab
	*testing.T
	daemon *lab.Daemon
}

func newSite(t *testing.T) *site {
	t.Helper()
	return newSiteOf(t, lab.Config{Prefix: prefix, Hypervisors: 1})
}

func newSiteOf(t *testing.T, c lab.Config) *site {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces and BPF programs need root")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(asProgram, "1")
	l, err := lab.Build(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &site{Lab: l, T: t}
	s.daemon, err = l.Gateway.NewDaemon(self)
	s.must(err)
	s.must(s.daemon.Configure(l.GatewayConfig("tc")))
	t.Cleanup(func() {
		if log, err := os.ReadFile(s.daemon.LogFile()); err == nil && t.Failed() {
			t.Logf("the daemon's log:\n%s", log)
		}
	})
	return s
}

func (s *site) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *site) gw(command string, args ...string) {
	s.Helper()
	_, err := s.Gateway.Output(command, args...)
	s.must(err)
}

// wantFlow checks whether customer and cloud reach each other.
func (s *site) wantFlow(want bool) {
	s.Helper()
	limit := 5 * time.Second
	if !want {
		limit = time.Second
	}
	_, err := s.Hosts[0].Ping(s.VMs[0].IPv4.Addr(), limit)
	if flows := err == nil; flows != want {
		s.Errorf("frames flow: %v (%v), want %v", flows, err, want)
	}
}

func (s *site) wantBridge(state string) {
	s.Helper()
	s.must(s.daemon.WaitBridges(state, repair))
}

// wantEvent waits for an event of a kind whose message has a part.
func (s *site) wantEvent(kind, part string) {
	s.Helper()
	s.must(lab.Wait(repair, "event", func() error {
		events, err := s.daemon.Events()
		if err != nil {
			return err
		}
		for _, e := range events {
			if e.Kind == kind && strings.Contains(e.Message, part) {
				return nil
			}
		}
		return fmt.Errorf("no event of kind %s that says %q", kind, part)
	}))
}

func TestLifeOfAGateway(t *testing.T) {
	s := newSite(t)
	s.must(s.daemon.Start())
	s.wantBridge("lowered")
	s.wantFlow(true)
	s.wantEvent("started", "")
	if r := s.daemon.Run("macs", "nobody"); r.Code != cli.ExitFailed || !strings.Contains(r.Stderr, `no extension is named "nobody"`) {
		s.Errorf("macs of nobody: exit code %d, %s", r.Code, r.Stderr)
	}
	s.secondDaemon()
	s.linksComeAndGo()
	s.othersTamper()
	s.passthroughComesAndGoes()
	s.raiseOutlivesTheDaemon()
	s.faultyFiles()
	s.sinceOutlivesTheDaemon()
	s.elsewhere(s.Switch.NS)
	s.uninstall(s.daemon.State(), s.movedState())
}

func (s *site) secondDaemon() {
	s.Helper()
	r := s.daemon.Run("run", "--config", s.daemon.ConfigFile())
	if want := fmt.Sprint("process ID ", s.daemon.PID()); r.Code != cli.ExitFailed || !strings.Contains(r.Stderr, want) {
		s.Errorf("a second daemon: exit code %d, %s; want 1 and %q", r.Code, r.Stderr, want)
	}
	r = s.daemon.Run("uninstall-state", "--config", s.daemon.ConfigFile())
	if r.Code != cli.ExitFailed {
		s.Errorf("uninstall-state beside the daemon: exit code %d, want 1", r.Code)
	}
}

func (s *site) linksComeAndGo() {
	s.Helper()
	nic, uplink := s.Gateway.CustomerNICs[0], s.Gateway.Uplinks[0]
	s.gw("ip", "link", "set", nic, "down")
	s.wantBridge("down")
	s.gw("ip", "link", "set", nic, "up")
	s.wantBridge("lowered")
	s.gw("ip", "address", "add", "198.51.100.1/24", "dev", nic)
	s.wantBridge("down")
	if r := s.daemon.Run("reload"); r.Code == 0 || !strings.Contains(r.Stderr, "198.51.100.1/24") {
		s.Errorf("reload with an address on %s: exit code %d, %s", nic, r.Code, r.Stderr)
	}
	s.gw("ip", "address", "del", "198.51.100.1/24", "dev", nic)
	s.wantBridge("lowered")
	s.gw("ip", "link", "set", uplink, "down")
	s.wantBridge("down")
	s.gw("ip", "link", "set", uplink, "up")
	s.wantBridge("lowered")
	s.wantFlow(true)
	s.wantEvent("link", nic+" is down")
}

// passthroughComesAndGoes: the host's own settings of a NIC come back when it may use the NIC too, and go when
// it may not any more.
func (s *site) passthroughComesAndGoes() {
	s.Helper()
	nic := s.Gateway.CustomerNICs[0]
	shared := s.GatewayConfig("tc")
	shared.Interfaces = fmt.Sprintf("{%s: {passthrough: true}}", nic)
	s.must(s.daemon.Reconfigure(shared))
	s.wantFlags(nic, []string{"PROMISC", "UP"}, []string{"NOARP"})
	s.gw("ip", "address", "add", "198.51.100.1/24", "dev", nic)
	s.wantFlow(true)
	s.wantBridge("lowered")
	s.must(s.daemon.Configure(s.GatewayConfig("tc")))
	if r := s.daemon.Run("reload"); r.Code == 0 || !strings.Contains(r.Stderr, "198.51.100.1/24") {
		s.Errorf("a NIC with an address becomes the customer's alone: exit code %d, %s", r.Code, r.Stderr)
	}
	s.wantFlags(nic, []string{"PROMISC", "UP"}, []string{"NOARP"})
	s.gw("ip", "address", "del", "198.51.100.1/24", "dev", nic)
	s.must(s.daemon.Reload())
	s.wantFlags(nic, []string{"PROMISC", "UP", "NOARP"}, nil)
	s.wantFlow(true)
}

// wantFlags checks a NIC's link flags.
func (s *site) wantFlags(nic string, has, lacks []string) {
	s.Helper()
	out, err := s.Gateway.Output("ip", "-o", "link", "show", nic)
	s.must(err)
	_, flags, _ := strings.Cut(out, "<")
	flags, _, _ = strings.Cut(flags, ">")
	set := strings.Split(flags, ",")
	for _, f := range has {
		if !slices.Contains(set, f) {
			s.Errorf("%s lacks %s: %s", nic, f, flags)
		}
	}
	for _, f := range lacks {
		if slices.Contains(set, f) {
			s.Errorf("%s has %s: %s", nic, f, flags)
		}
	}
}

func (s *site) othersTamper() {
	s.Helper()
	nic := s.Gateway.CustomerNICs[0]
	s.gw("ip", "link", "set", nic, "promisc", "off")
	s.wantEvent("tamper", "promisc")
	s.gw("ip", "link", "del", s.tunnel())
	s.wantEvent("tamper", "tunnel device")
	links, err := filepath.Glob(filepath.Join(s.daemon.Pins(), "links", "*"))
	s.must(err)
	if len(links) == 0 {
		s.Fatal("no link is pinned")
	}
	for _, pin := range links {
		s.must(os.Remove(pin))
	}
	s.must(lab.Wait(repair, "pins to come back", func() error {
		again, err := filepath.Glob(filepath.Join(s.daemon.Pins(), "links", "*"))
		if err == nil && !slices.Equal(again, links) {
			err = fmt.Errorf("pinned: %v, want %v", again, links)
		}
		return err
	}))
	s.wantEvent("tamper", "program on "+nic)
	s.wantFlow(true)
}

// tunnel is the tunnel device's name; empty when there is none.
func (s *site) tunnel() string {
	s.Helper()
	out, err := s.Gateway.Output("ip", "-o", "link", "show", "type", "vxlan")
	s.must(err)
	if _, rest, found := strings.Cut(out, ": "); found {
		name, _, _ := strings.Cut(rest, ":")
		return name
	}
	return ""
}

func (s *site) raiseOutlivesTheDaemon() {
	s.Helper()
	if r := s.daemon.Run("raise", "acme", "--reason", "ticket 12"); r.Code != 0 {
		s.Fatal(r.Stderr)
	}
	s.wantFlow(false)
	s.must(s.daemon.Kill9())
	s.wantFlow(false)
	s.must(s.daemon.Start())
	s.wantBridge("raised")
	s.wantFlow(false)
	if r := s.daemon.Run("lower", "acme"); r.Code != 0 {
		s.Fatal(r.Stderr)
	}
	s.wantFlow(true)
	s.must(s.daemon.Kill9())
	s.wantFlow(true)
	s.must(s.daemon.Start())
	s.wantEvent("started", "adopted")
}

func (s *site) faultyFiles() {
	s.Helper()
	s.must(s.daemon.WriteConfig("bogus: 1\n"))
	pid := s.daemon.PID()
	s.must(syscall.Kill(pid, syscall.SIGHUP))
	s.wantEvent("config-error", "bogus")
	s.wantFlow(true)
	s.refusedReload()
	s.must(s.daemon.Stop())

	// What cannot be read at all does not say where its state is.
	s.must(s.daemon.WriteConfig("gateway:\n  state: " + s.daemon.State() + "\nbogus: 1\n"))
	s.must(s.daemon.Start())
	s.wantBridge("lowered")
	s.wantEvent("config-error", "the last good one goes on")
	s.wantFlow(true)
	s.must(s.daemon.Stop())
	s.wantFlow(true)

	last := filepath.Join(s.daemon.State(), "last-good.yaml")
	kept := last + ".kept"
	s.must(os.Rename(last, kept))
	var exit *lab.ExitError
	if err := s.daemon.Start(); !errors.As(err, &exit) || exit.Code != cli.ExitUsage {
		s.Errorf("a faulty file without a last good one: %v, want exit code 2", err)
	}
	s.must(os.Rename(kept, last))
	s.must(s.daemon.Configure(s.GatewayConfig("tc")))
}

// refusedReload: who asks for a reload gets each fault on a line of its own, and nothing changes.
func (s *site) refusedReload() {
	s.Helper()
	last := filepath.Join(s.daemon.State(), "last-good.yaml")
	before, err := os.ReadFile(last)
	s.must(err)
	s.must(s.daemon.WriteConfig("bogus: 1\nextensions:\n  acme: {vlan: 1}\n  Beta: {}\n"))
	r := s.daemon.Run("reload")
	faults := 0
	for line := range strings.Lines(r.Stderr) {
		if strings.HasPrefix(line, s.daemon.ConfigFile()+":") {
			faults++
		} else if line != "drawbridge: refused, and the former configuration goes on:\n" {
			s.Errorf("a line that is no fault: %s", line)
		}
	}
	if r.Code != cli.ExitUsage || r.Stdout != "" || faults < 3 {
		s.Errorf("reload of a faulty file: exit code %d, %d faults\n%s%s", r.Code, faults, r.Stdout, r.Stderr)
	}
	after, err := os.ReadFile(last)
	s.must(err)
	if string(after) != string(before) {
		s.Errorf("the last good configuration became\n%s", after)
	}
	s.wantBridge("lowered")
	s.wantFlow(true)
}

// sinceOutlivesTheDaemon: what did not change is not shown as new after a restart.
func (s *site) sinceOutlivesTheDaemon() {
	s.Helper()
	since := func() time.Time {
		s.Helper()
		st, err := s.daemon.Status()
		s.must(err)
		return st.Extension("acme").Since
	}
	s.must(s.daemon.Start())
	s.wantBridge("lowered")
	before := since()
	s.must(s.daemon.Stop())
	s.must(lab.Wait(repair, "the clock to go on", func() error {
		if !time.Now().After(before.Add(time.Second)) {
			return errors.New("it is the same second")
		}
		return nil
	}))
	s.must(s.daemon.Start())
	if after := since(); !after.Equal(before) {
		s.Errorf("lowered since %s, after a restart since %s", before, after)
	}
	s.must(s.daemon.Stop())
}

// elsewhere: another network namespace is the wrong place for uninstall-state, which then does nothing.
func (s *site) elsewhere(there *lab.NS) {
	s.Helper()
	for _, by := range []string{"--config=" + s.daemon.ConfigFile(), "--name=" + s.daemon.Name} {
		out, err := there.Command(s.daemon.Binary, "uninstall-state", by).CombinedOutput()
		var exit *exec.ExitError
		if want := "nsenter --net=" + s.Gateway.Path(); !errors.As(err, &exit) || exit.ExitCode() != cli.ExitFailed || !strings.Contains(string(out), want) {
			s.Errorf("uninstall-state %s in another namespace: %v, %s; want 1 and %q", by, err, out, want)
		}
	}
	s.wantFlow(true)
	if _, err := os.Stat(filepath.Join(s.daemon.State(), "nics.json")); err != nil {
		s.Error(err)
	}
}

// movedState: another state directory gets what the former one has, and so uninstall-state gives everything back.
func (s *site) movedState() (dir string) {
	s.Helper()
	dir = filepath.Join(s.daemon.Dir, "moved")
	s.must(s.daemon.Start())
	if r := s.daemon.Run("raise", "acme", "--reason", "ticket 13"); r.Code != 0 {
		s.Fatal(r.Stderr)
	}
	s.must(s.daemon.Stop())
	c := s.GatewayConfig("tc")
	c.Name, c.Socket, c.State = s.daemon.Name, s.daemon.Socket(), dir
	s.must(s.daemon.WriteConfig(c.Text()))
	s.must(s.daemon.Start())
	s.wantBridge("raised")
	s.wantEvent("raised", "ticket 13")
	s.wantEvent("hint", "taken over from "+s.daemon.State())
	s.wantFlow(false)
	s.must(s.daemon.Stop())
	return dir
}

func (s *site) uninstall(states ...string) {
	s.Helper()
	for range 2 { // a second time there is nothing left, which is success
		if r := s.daemon.Run("uninstall-state", "--config", s.daemon.ConfigFile()); r.Code != 0 {
			s.Fatalf("uninstall-state: %s", r.Stderr)
		}
	}
	s.wantFlow(false)
	for _, path := range append(states, s.daemon.Pins()) {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			s.Errorf("%s is left: %v", path, err)
		}
	}
	if left := s.tunnel(); left != "" {
		s.Errorf("tunnel device %s is left", left)
	}
	s.wantFlags(s.Gateway.CustomerNICs[0], nil, []string{"PROMISC", "NOARP", "UP"})
}
