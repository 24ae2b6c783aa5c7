// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTheUnitsCapabilitiesSuffice: a gateway that has only what packaging/drawbridge.service leaves it is set up,
// forwards, answers, examines its host and follows changes.
func TestTheUnitsCapabilitiesSuffice(t *testing.T) {
	unit, err := os.ReadFile("../packaging/drawbridge.service")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^CapabilityBoundingSet=(.*)$`).FindSubmatch(unit)
	if line == nil {
		t.Fatal("the unit has no bounding set")
	}
	set := "-all"
	for _, name := range strings.Fields(string(line[1])) {
		set += ",+" + strings.ToLower(strings.TrimPrefix(name, "CAP_"))
	}
	for _, engine := range []string{"tc", "xdp"} {
		t.Run(engine, func(t *testing.T) {
			s := newSite(t)
			s.must(s.daemon.Configure(s.GatewayConfig(engine)))
			wrapper := filepath.Join(t.TempDir(), "drawbridge")
			text := fmt.Sprintf("#!/bin/sh\nexec setpriv --no-new-privs --inh-caps=-all --bounding-set=%s %s \"$@\"\n", set, s.daemon.Binary)
			s.must(os.WriteFile(wrapper, []byte(text), 0o700))
			s.daemon.Binary = wrapper
			s.must(s.daemon.Start())
			s.wantBridge("lowered")
			if engine == "tc" { // frames of these hosts are not as on a wire, which xdp wants
				s.wantFlow(true)
			}
			s.must(s.daemon.Kill9())
			s.must(s.daemon.Start()) // adopts what it finds
			s.wantBridge("lowered")
			s.must(os.Remove(s.pinnedLink())) // and mends it
			s.wantEvent("tamper", "")
			s.must(s.Gateway.Down(s.Gateway.Uplinks[0]))
			s.wantBridge("down")
			s.must(s.Gateway.Up(s.Gateway.Uplinks[0]))
			s.wantBridge("lowered")
			s.doctor(0)
			s.must(s.daemon.Stop())
			if r := s.daemon.Run("uninstall-state", "--config", s.daemon.ConfigFile()); r.Code != 0 {
				t.Errorf("uninstall-state: exit code %d, %s", r.Code, r.Stderr)
			}
		})
	}
}

// pinnedLink is a pin of a program's attachment.
func (s *site) pinnedLink() string {
	s.Helper()
	pins, err := filepath.Glob(filepath.Join(s.daemon.Pins(), "links", "*"))
	s.must(err)
	if len(pins) == 0 {
		s.Fatalf("no link is pinned in %s", s.daemon.Pins())
	}
	return pins[0]
}
