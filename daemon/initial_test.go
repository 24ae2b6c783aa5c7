// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/gateway"
)

// goodConfig is a configuration whose state is in dir.
func goodConfig(dir string) string {
	return fmt.Sprintf(`gateway:
  name: gw-a
  underlay: {interface: eth1}
  state: %s
extensions:
  acme:
    attachment: {interface: eth2, vlan: 2301}
    overlay: {vni: 10100, peers: [192.0.2.20]}
`, dir)
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheConfigurationThatADaemonStartsWith(t *testing.T) {
	tests := []struct {
		name     string
		file     func(dir string) string // "" for none
		lastGood func(dir string) string // "" for none
		want     string                  // of the error; "" for none
		stoodIn  bool                    // the last good one is used
	}{
		{"good", goodConfig, nil, "", false},
		{"faulty, last good there", func(dir string) string { return goodConfig(dir) + "bogus: 1\n" }, goodConfig, "", true},
		{"broken, last good there", func(dir string) string { return goodConfig(dir) + "}{" }, goodConfig, "", true},
		{"faulty, no last good", func(dir string) string { return goodConfig(dir) + "bogus: 1\n" }, nil, "there is no last good one", false},
		{"faulty, last good faulty", func(dir string) string { return goodConfig(dir) + "bogus: 1\n" },
			func(string) string { return "bogus: 1\n" }, "the last good one cannot be used", false},
		{"faulty, last good of another directory", func(dir string) string { return goodConfig(dir) + "bogus: 1\n" },
			func(string) string { return goodConfig("/elsewhere") }, "it keeps its state in /elsewhere", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "drawbridge.yaml")
			writeFile(t, file, tt.file(dir))
			if tt.lastGood != nil {
				writeFile(t, filepath.Join(dir, gateway.LastGoodFile), tt.lastGood(dir))
			}
			got, err := loadInitial(fileSource(file))
			if tt.want != "" {
				if !errors.Is(err, errFaulty) || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("error %v, want one that says %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if stoodIn := got.fault != nil; stoodIn != tt.stoodIn || got.cfg.Gateway.Name != "gw-a" {
				t.Errorf("the last good one is used: %v, want %v", stoodIn, tt.stoodIn)
			}
			if string(got.text) != goodConfig(dir) {
				t.Errorf("its text is %q", got.text)
			}
		})
	}
}

// TestAFileThatNamesNothing: the gateway's own note leads to the last good configuration, also after a boot.
func TestAFileThatNamesNothing(t *testing.T) {
	notesIn(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "drawbridge.yaml")
	writeFile(t, file, "\x00\x01 no YAML, and no directory: }{")
	writeFile(t, filepath.Join(dir, gateway.LastGoodFile), goodConfig(dir))
	if _, err := loadInitial(fileSource(file)); !errors.Is(err, errFaulty) {
		t.Fatalf("without a note: error %v, want errFaulty", err)
	}
	for _, w := range []whereabouts{
		{Gateway: "gw-b", State: t.TempDir(), Config: file + ".other"}, {Gateway: "gw-a", State: dir, Config: file},
	} {
		if err := w.write(); err != nil {
			t.Fatal(err)
		}
	}
	for _, boot := range []string{"the same boot", "another boot"} {
		got, err := loadInitial(fileSource(file))
		if err != nil || got.fault == nil || got.cfg.Gateway.State != dir {
			t.Errorf("%s: %+v, %v", boot, got, err)
		}
		if err := os.RemoveAll(runDir); err != nil {
			t.Fatal(err)
		}
	}
	if err := forgetWhereabouts("gw-a"); err != nil {
		t.Fatal(err)
	}
	if _, err := loadInitial(fileSource(file)); !errors.Is(err, errFaulty) {
		t.Errorf("forgotten: error %v, want errFaulty", err)
	}
}

func TestAMissingFileIsFaulty(t *testing.T) {
	_, err := loadInitial(fileSource(filepath.Join(t.TempDir(), "none.yaml")))
	if !errors.Is(err, errFaulty) {
		t.Errorf("error %v, want errFaulty", err)
	}
}

func TestFlagsAreASource(t *testing.T) {
	s := flagSource(config.Flags{
		Underlay: "eth1", Attach: []string{"eth2:2301"}, VNI: []string{"10100"}, Peer: []string{"192.0.2.20"}, Name: "gw-a",
	})
	got, err := loadInitial(s)
	if err != nil || got.text != nil || len(got.cfg.Extensions) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	s.VNI = []string{"0"}
	s.State = t.TempDir()
	if _, err := loadInitial(s); !errors.Is(err, errFaulty) {
		t.Errorf("error %v, want errFaulty", err)
	}
}
