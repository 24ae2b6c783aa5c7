// SPDX-License-Identifier: Apache-2.0

package l2

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseMAC(t *testing.T) {
	for text, want := range map[string]string{"02:00:5e:AB:cd:ff": "02:00:5e:ab:cd:ff", "02-00-5E-ab-CD-ff": "02:00:5e:ab:cd:ff", "00:00:00:00:00:00": "00:00:00:00:00:00"} {
		got, err := ParseMAC(text)
		if err != nil || got.String() != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "02:00:00:00:00", "02:00:00:00:00:0g", "02:00:00:00-00:01", "02.00.00.00.00.01", "02:00:00:00:00:01:", "0200.0000.0001", "é2:00:00:00:00:0", "02:00:00:00:00:0:"} {
		if got, err := ParseMAC(text); err == nil {
			t.Errorf("%q was read as %s", text, got)
		}
	}
}

func TestMACKinds(t *testing.T) {
	if !Broadcast.IsGroup() || Broadcast.IsZero() || !(MAC{}).IsZero() || (MAC{}).IsGroup() || !(MAC{0x01}).IsGroup() || (MAC{0x02}).IsGroup() {
		t.Error("group or zero bits are read wrongly")
	}
}

func FuzzMAC(f *testing.F) {
	f.Add("02:00:5e:ab:cd:ff")
	f.Add("02-00-5e-ab-cd-ff")
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMAC(s)
		if err != nil {
			return
		}
		if got := m.String(); got != strings.ReplaceAll(strings.ToLower(s), "-", ":") {
			t.Errorf("%q was read as %s", s, got)
		}
		text, err := m.MarshalText()
		var again MAC
		if err != nil || again.UnmarshalText(text) != nil || again != m {
			t.Errorf("%s does not come back from its text", m)
		}
	})
}

func TestVNIRange(t *testing.T) {
	for n, ok := range map[int64]bool{-1: false, 0: false, 1: true, 1<<24 - 1: true, 1 << 24: false, 1<<32 + 1: false} {
		if v, err := NewVNI(n); (err == nil) != ok || ok && int64(v) != n {
			t.Errorf("%d: %d, %v", n, v, err)
		}
	}
}

func TestVIDRange(t *testing.T) {
	for n, ok := range map[int]bool{-1: false, 0: false, 1: true, 4094: true, 4095: false, 65537: false} {
		if v, err := NewVID(n); (err == nil) != ok || ok && int(v) != n {
			t.Errorf("%d: %d, %v", n, v, err)
		}
	}
}

func TestParseName(t *testing.T) {
	for _, text := range []string{"a", "gw-a", "0", strings.Repeat("a", 32)} {
		if got, err := ParseName(text); err != nil || string(got) != text {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "A", "a_b", "a.b", "ä", "a b", "a/b", strings.Repeat("a", 33)} {
		if got, err := ParseName(text); err == nil {
			t.Errorf("%q was read as %s", text, got)
		}
	}
}

func TestVLANForms(t *testing.T) {
	tests := []struct {
		vlan         VLAN
		depth        int
		outer, inner VID
		tpid         TPID
		text         string
	}{
		{Untagged, 0, 0, 0, 0, "untagged"},
		{SingleTag(7), 1, 7, 0, TPIDCustomer, "7"},
		{DoubleTag(100, 20), 2, 100, 20, TPIDService, "100.20"},
		{DoubleTag(100, 20).WithTPID(TPIDCustomer), 2, 100, 20, TPIDCustomer, "100.20"},
		{Untagged.WithTPID(TPIDService), 0, 0, 0, 0, "untagged"},
	}
	for _, tt := range tests {
		v := tt.vlan
		if v.Depth() != tt.depth || v.Outer() != tt.outer || v.Inner() != tt.inner || v.TPID() != tt.tpid || v.String() != tt.text {
			t.Errorf("%s: depth %d, tags %d %d, TPID %s", v, v.Depth(), v.Outer(), v.Inner(), v.TPID())
		}
	}
	if SingleTag(7) == SingleTag(7).WithTPID(TPIDService) {
		t.Error("circuits with different tag protocols are the same")
	}
}

// Every text that is read as a VLAN is printed as it was written.
func FuzzVLAN(f *testing.F) {
	for _, s := range []string{"untagged", "1", "4094", "4095", "100.200", "100.20", "0100", "1.", "+1", "1e3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseVLAN(s)
		if err == nil && v.String() != s {
			t.Errorf("%q was read as %s", s, v)
		}
	})
}

func TestParseVLANAllNumbers(t *testing.T) {
	for n := range 70000 {
		_, err := ParseVLAN(fmt.Sprint(n))
		if ok := n >= 1 && n <= 4094; ok != (err == nil) {
			t.Fatalf("%d: %v", n, err)
		}
	}
}

func TestSidesAndDirections(t *testing.T) {
	for _, s := range []Side{Customer, Cloud} {
		if got, err := ParseSide(s.String()); err != nil || got != s {
			t.Errorf("%s: %s, %v", s, got, err)
		}
	}
	if _, err := ParseSide("none"); err == nil || Side(0).String() != "none" {
		t.Error("no side is a side")
	}
	if ToCloud.String() != "to-cloud" || ToCustomer.String() != "to-customer" {
		t.Error("directions are printed wrongly")
	}
}
