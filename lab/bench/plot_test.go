// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPlotShowsWhatTheFileSays writes a report's rounds and looks for their ratios in the picture of them.
func TestPlotShowsWhatTheFileSays(t *testing.T) {
	r := &report{
		Frames: []frameCell{{Direction: "to-cloud", Size: "64", Extensions: 1, Stations: 1, Results: []frameResult{
			{System: systemLinux, Readings: []reading{{Rate: 100}, {Rate: 200}, {Rate: 300}}},
			{System: systemXDP, Readings: []reading{{Rate: 400}, {Rate: 800}, {Rate: 1200}}},
		}}},
		Config: []configCell{
			{System: systemLinux, Step: stepAllApplied, Extensions: 4000, Seconds: []float64{5}},
			{System: systemTC, Step: stepAllApplied, Extensions: 4000, Seconds: []float64{0.1}},
			{System: systemTC, Step: stepOneInForce, Extensions: 4000, Seconds: []float64{0.004}},
		},
		MACs: []macCell{{System: systemXDP, Rate: 50000, Rounds: []macReading{{Sent: 100, Largest: 0.3}}}},
	}
	from, to := filepath.Join(t.TempDir(), "rounds.csv"), filepath.Join(t.TempDir(), "rounds.svg")
	if err := writeFile(from, r.csv); err != nil {
		t.Fatal(err)
	}
	if err := plotFile(from, to); err != nil {
		t.Fatal(err)
	}
	picture, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"xdp 4.00 [4.00–4.00]", "tc 50.00 [50.00–50.00]", "tc 4.00 [4.00–4.00]", "xdp 300.00", "50000 MACs/s", "4000 extensions"} {
		if !strings.Contains(string(picture), want) {
			t.Errorf("the picture lacks %q", want)
		}
	}
	if err := wellFormed(picture); err != nil {
		t.Errorf("the picture is no XML: %v", err)
	}
	if bytes.Contains(picture, []byte("NaN")) || bytes.Contains(picture, []byte("Inf")) {
		t.Error("the picture has numbers that are none")
	}
}

func wellFormed(document []byte) error {
	d := xml.NewDecoder(bytes.NewReader(document))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func TestPlotRefusesOtherFiles(t *testing.T) {
	for _, text := range []string{"a,b\n1,2\n", strings.Join(csvHead, ",") + "\nframes,xdp,to-cloud,64,1,1,0,many,frames/s,,\n"} {
		if _, err := readRounds(strings.NewReader(text)); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func TestNiceStep(t *testing.T) {
	for v, want := range map[float64]float64{0: 1, 0.3: 0.5, 1: 1, 1.1: 2, 3: 5, 7: 10, 51: 100, 0.021: 0.05} {
		if got := niceStep(v); math.Abs(got-want) > want/1e6 {
			t.Errorf("the step of %v is %v, want %v", v, got, want)
		}
	}
}
