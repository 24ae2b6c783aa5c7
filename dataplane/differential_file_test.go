// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// disagreements is where files lie that were disagreements once.
const disagreementFiles = "testdata/disagreements"

// hexBytes are a frame's bytes, in hexadecimal in a file.
type hexBytes []byte

// MarshalText prints two digits a byte.
func (h hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

// UnmarshalText reads them.
func (h *hexBytes) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	*h = b
	return err
}

func durationOf(ns int64) time.Duration { return time.Duration(ns) }

// write keeps a disagreement: TestDisagreements runs it from now on.
func (d *disagreement) write(t *testing.T, name string) {
	t.Helper()
	content, err := json.MarshalIndent(d, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(disagreementFiles, 0o755); err != nil {
		t.Fatal(err)
	}
	name = filepath.Join(disagreementFiles, name+".json")
	if err := os.WriteFile(name, append(content, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("written to %s", name)
}

// TestDisagreements runs what once was judged differently by programs and model, on both engines.
func TestDisagreements(t *testing.T) {
	names, err := filepath.Glob(disagreementFiles + "/*.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("no files in %s: %v", disagreementFiles, err)
	}
	engines(t, func(t *testing.T, r *rig) {
		p := r.prover()
		for _, name := range names {
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var d disagreement
			if err := json.Unmarshal(content, &d); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if len(d.Frames) == 0 {
				t.Errorf("%s has no frames", name)
			}
			if n, what := p.replay(&d); what != "" {
				t.Errorf("%s, frame %d of engine %s (found on %s): %s", name, n, r.engine, d.Engine, what)
			}
		}
	})
}
