// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// edits of a file of a few extensions: what is replaced, and by what.
var edits = []struct{ name, old, new string }{
	{"nothing", "gw-a", "gw-a"},
	{"a limit", "limit: 100", "limit: 200"},
	{"a description", "Customer 3,", "Customer three,"},
	{"a comment", "  customer-2:\n", "  customer-2: # the second\n"},
	{"a name", "customer-4:", "customer-four:"},
	{"a name that is there", "customer-4:", "customer-5:"},
	{"a VLAN that is there", "vlan: 3.1", "vlan: 4.1"},
	{"a VNI that is there", "vni: 3,", "vni: 4,"},
	{"a NIC that is the uplink", "interface: eth2, vlan: 3.1", "interface: eth1, vlan: 3.1"},
	{"an unknown key", "limit: 100", "limits: 100"},
	{"no YAML", "vni: 3,", "vni: [3,"},
	{"a tab", "    guard:", "\tguard:"},
	{"another family", "192.0.2.20, pod1", "2001:db8::1"},
	{"the group", "192.0.2.21]", "192.0.2.22]"},
	{"an unknown group", "192.0.2.20, pod1", "192.0.2.20, pod2"},
	{"the gateway", "gw-a", "gw-b"},
	{"the host's name", "  name: gw-a\n", ""},
	{"an extension more", "  customer-1:", "  another:\n    attachment: {interface: eth3, vlan: 1}\n    overlay: {vni: 99, peers: [pod1]}\n  customer-1:"},
	{"none", "extensions:", "extension:"},
	{"a key in quotes", "  customer-3:", `  "customer-3":`},
	{"several lines", "peers: [192.0.2.20, pod1]", "peers:\n      [192.0.2.20,\n       pod1]"},
	{"a line in front", "gateway:", "# ours\ngateway:"},
}

// TestMemoryReadsAsParse reads version after version, each an edit or several of the first, in both ways.
func TestMemoryReadsAsParse(t *testing.T) {
	first := string(manyExtensions(8))
	m := &Memory{}
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 2000 {
		text, names := first, []string{}
		for range 1 + random.IntN(2) {
			e := edits[min(n, random.IntN(len(edits)))]
			text, names = strings.Replace(text, e.old, e.new, 1+random.IntN(3)), append(names, e.name)
		}
		want, wantErr := Parse("gw.yaml", []byte(text))
		got, gotErr := m.Parse("gw.yaml", []byte(text))
		if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
			t.Fatalf("version %d (%v): %v, want %v", n, names, gotErr, wantErr)
		}
		if gotErr == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("version %d (%v): %+v, want %+v", n, names, got, want)
		}
	}
}

// TestMemoryReadsOnlyWhatDiffers counts the extensions that are read, by those that are new in its memory.
func TestMemoryReadsOnlyWhatDiffers(t *testing.T) {
	m := &Memory{}
	text := string(manyExtensions(100))
	for version, want := range []int{100, 101, 102} {
		text = strings.Replace(text, "limit: 100", fmt.Sprintf("limit: %d", 200+version), min(version, 1))
		c, err := m.Parse("gw.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if len(m.known) != want || len(c.Extensions) != 100 {
			t.Errorf("version %d: %d extensions are known, want %d", version, len(m.known), want)
		}
	}
}

// TestMemoryForgets: an extension that was edited a thousand times is not remembered a thousand times.
func TestMemoryForgets(t *testing.T) {
	m := &Memory{}
	text := string(manyExtensions(10))
	for n := range 1000 {
		if _, err := m.Parse("gw.yaml", []byte(strings.Replace(text, "limit: 100", fmt.Sprintf("limit: %d", 1+n), 1))); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.known) > 20 {
		t.Errorf("%d versions of 10 extensions are remembered", len(m.known))
	}
}

// TestMemoryFollowsTheHostsName: a configuration without a name has the host's, which may change.
func TestMemoryFollowsTheHostsName(t *testing.T) {
	host, fault := "gw-a", error(nil)
	m := &Memory{hostname: func() (string, error) { return host, fault }}
	text := []byte(strings.Replace(string(manyExtensions(3)), "  name: gw-a\n", "", 1))
	for _, want := range []string{"gw-a", "gw-b"} {
		host = want
		for range 2 {
			if c, err := m.Parse("gw.yaml", text); err != nil || string(c.Gateway.Name) != want {
				t.Errorf("the name is %v (%v), want %s", c, err, want)
			}
		}
	}
	fault = errors.New("no name")
	if _, err := m.Parse("gw.yaml", text); err == nil {
		t.Error("a host without a name is no fault")
	}
}

func BenchmarkMemory(b *testing.B) {
	text := string(manyExtensions(4000))
	m := &Memory{}
	if _, err := m.Parse("many.yaml", []byte(text)); err != nil {
		b.Fatal(err)
	}
	versions := [][]byte{}
	for n := range 2 {
		versions = append(versions, []byte(strings.Replace(text, "limit: 100", fmt.Sprintf("limit: %d", 200+n), 1)))
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if _, err := m.Parse("many.yaml", versions[n%2]); err != nil {
			b.Fatal(err)
		}
	}
}
