// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

var update = flag.Bool("update", false, "write the scripts' answers anew")

// TestScripts plays testdata/*.txt: a line is a command, and the lines behind it that begin with > are all
// that the machine does then, with the time since the script's begin. # begins a comment.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(text))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(text), got); diff != "" {
				t.Error("the script differs (-want +got):\n" + diff)
			}
		})
	}
}

// play returns the script with the answers that the machine gave.
func play(t *testing.T, text string) string {
	var out strings.Builder
	w := newWorld(enforcing())
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, ">") {
			continue
		}
		fmt.Fprintln(&out, line)
		if line == "" || line[0] == '#' {
			continue
		}
		w.did = nil
		command(t, w, strings.Fields(line))
		for _, did := range w.did {
			fmt.Fprintln(&out, "> "+did)
		}
	}
	return out.String()
}

// command does one line.
func command(t *testing.T, w *world, words []string) {
	t.Helper()
	a := arguments{t, map[string]string{}}
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		a.values[key] = value
	}
	switch words[0] {
	case "settings":
		w.settings = a.settings()
		w.m.Configure(w.settings)
	case "wait":
		w.pass(a.duration("for", 0))
	case "sign":
		w.sign(event.LoopSign{Evidence: event.Evidence(a.values["by"]), Side: a.side(), MAC: a.mac("mac", 0)}, a.duration("hold", 2*time.Second))
	case "suspect":
		w.perform(w.m.Sign(event.LoopSign{Evidence: event.ByCrossing, At: w.now}, w.now))
	case "lost-sign": // the data path half-raises, and its signal is lost
		w.kernel.HalfRaisedUntil = w.now.Add(a.duration("hold", 2*time.Second))
	case "late-sign": // of a hold that is over
		at := w.now.Add(-a.duration("ago", time.Second))
		w.perform(w.m.Sign(event.LoopSign{Evidence: event.Evidence(a.values["by"]), Side: a.side(), At: at, Tripped: true, Until: at.Add(a.duration("hold", 2*time.Second))}, w.now))
	case "flood":
		w.flood(a.duration("for", time.Second), a.duration("every", 20*time.Millisecond), a.sample())
	case "raise":
		w.raise(true)
	case "lower":
		w.lower()
	case "link":
		w.linkDown(a.has("down"))
	case "refuse":
		w.refuse = !a.has("off")
	case "restart":
		w.restart()
	case "reboot":
		w.kernel = state.Hold{}
		w.restart()
	case "gone":
		w.perform(w.m.Gone(w.now))
	case "bridge":
		b, reason, since := w.m.Bridge()
		if w.note("%s %q", b, reason); b == state.HalfRaised {
			w.note("since %s", w.clock(since))
		}
	default:
		t.Fatalf("unknown command %q", words)
	}
}

// arguments are a command's key=value words.
type arguments struct {
	t      *testing.T
	values map[string]string
}

func (a arguments) has(key string) bool { _, ok := a.values[key]; return ok }

func (a arguments) duration(key string, otherwise time.Duration) time.Duration {
	if !a.has(key) {
		return otherwise
	}
	d, err := time.ParseDuration(a.values[key])
	if err != nil {
		a.t.Fatal(err)
	}
	return d
}

func (a arguments) number(key string, otherwise int) int {
	if !a.has(key) {
		return otherwise
	}
	n, err := strconv.Atoi(a.values[key])
	if err != nil {
		a.t.Fatal(err)
	}
	return n
}

// mac reads a whole address, or a station's number.
func (a arguments) mac(key string, otherwise int) l2.MAC {
	if mac, err := l2.ParseMAC(a.values[key]); err == nil {
		return mac
	}
	if n := a.number(key, otherwise); n != 0 {
		return from(n)
	}
	return l2.MAC{}
}

func (a arguments) side() l2.Side {
	if a.values["side"] == "cloud" {
		return l2.Cloud
	}
	return l2.Customer
}

func (a arguments) settings() Settings {
	s := enforcing()
	s.Mode = map[string]state.GuardMode{"": state.Enforce, "observe": state.Observe, "off": state.Off}[a.values["mode"]]
	s.Auto = a.values["auto"] != "false"
	s.MACLimit = uint32(a.number("limit", 1024))
	if a.has("allow") {
		s.FloodAllow = []Prefix{only{a.mac("allow", 0)}}
	}
	if vid := a.number("inner", 0); vid != 0 {
		s.InnerVLANs = []l2.VID{l2.VID(vid)}
	}
	return s
}

// only is a prefix of one address.
type only struct{ mac l2.MAC }

func (o only) Contains(m l2.MAC) bool { return m == o.mac }
func (o only) String() string         { return o.mac.String() }

// sample is a source of samples: of one station, or of so many in turn.
func (a arguments) sample() func(n int) event.GuardDropped {
	e := event.GuardDropped{Reason: a.values["reason"], Destination: a.mac("to", 0), VLAN: uint16(a.number("vlan", 0))}
	if a.has("to-customer") {
		e.Direction = l2.ToCustomer
	}
	if a.has("ip") {
		e.IP = netip.MustParseAddr(a.values["ip"])
	}
	stations, first := a.number("stations", 1), a.mac("from", 1)
	share := a.number("share", 0) // percent of the first station, the rest of the others in turn
	return func(n int) event.GuardDropped {
		e := e
		e.Source = first
		if share > 0 && n%100 >= share || share == 0 && n%stations > 0 {
			e.Source, e.IP = from(1000+n%stations), netip.Addr{}
		}
		return e
	}
}
