// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAGatewayWithoutAFile: the one line of the README sets a gateway up, and its name is enough to remove it.
func TestAGatewayWithoutAFile(t *testing.T) {
	s := newSite(t)
	nic := s.Gateway.CustomerNICs[0]
	stop := s.runWithFlags(nic)
	s.wantFlow(true)
	s.must(s.daemon.WaitBridges("lowered", repair))
	stop()
	s.wantFlow(true)
	s.elsewhere(s.Switch.NS)
	if r := s.daemon.Run("uninstall-state", "--name", s.daemon.Name); r.Code != 0 || r.Stderr != "" {
		t.Errorf("uninstall-state by name: exit code %d, %s", r.Code, r.Stderr)
	}
	s.wantFlow(false)
	s.wantGone()
	s.wantFlags(nic, nil, []string{"PROMISC", "NOARP", "UP"})

	// When the namespace cannot be entered any more, what is elsewhere can still be removed.
	s.runWithFlags(nic)()
	out, err := s.Switch.Command(s.daemon.Binary, "uninstall-state", "--name", s.daemon.Name, "--force").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "stays as it is") {
		t.Errorf("uninstall-state --force elsewhere: %v, %s", err, out)
	}
	s.wantGone()
	s.wantFlags(nic, []string{"PROMISC"}, nil)
}

// runWithFlags starts a daemon without a configuration file; stop ends it as SIGTERM does.
func (s *site) runWithFlags(nic string) (stop func()) {
	s.Helper()
	log, err := os.OpenFile(s.daemon.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	s.must(err)
	defer log.Close()
	args := []string{"run", "--underlay", s.Gateway.Uplinks[0], "--attach", nic + ":2301", "--vni", "10100", "--engine", "tc",
		"--name", s.daemon.Name, "--socket", s.daemon.Socket(), "--state", s.daemon.State()}
	for _, peer := range s.VTEPs() {
		args = append(args, "--peer", peer.String())
	}
	cmd := s.Gateway.Command(s.daemon.Binary, args...)
	cmd.Stdout, cmd.Stderr = log, log
	s.must(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	s.Cleanup(func() { _ = cmd.Process.Kill() })
	s.must(s.daemon.WaitBridges("lowered", time.Minute)) // a busy machine takes long to load programs
	return func() {
		s.Helper()
		s.must(cmd.Process.Signal(syscall.SIGTERM))
		select {
		case err := <-ended:
			s.must(err)
		case <-time.After(10 * time.Second):
			s.Fatal("the daemon does not end")
		}
	}
}

// wantGone checks that a gateway left nothing in the file systems.
func (s *site) wantGone() {
	s.Helper()
	for _, path := range []string{s.daemon.Pins(), s.daemon.State(), whereaboutsFile(parseName(s.T, s.daemon.Name))} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			s.Errorf("%s is left: %v", path, err)
		}
	}
}

// TestWhatIsMissingIsOneLine: who cannot run a gateway is told why, shortly.
func TestWhatIsMissingIsOneLine(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("becoming nobody needs root")
	}
	self := copyOfSelf(t)
	cmd := exec.Command(self, "run", "--underlay", "eth1", "--attach", "eth2:2301", "--vni", "10100", "--peer", "192.0.2.20", "--state", "/nonexistent")
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || strings.Count(string(out), "\n") != 1 || !strings.Contains(string(out), "not root") {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}

// copyOfSelf is this program where everybody may execute it.
func copyOfSelf(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "drawbridge-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := fmt.Sprintf("%s/drawbridge", dir)
	if err := os.WriteFile(file, program, 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}
