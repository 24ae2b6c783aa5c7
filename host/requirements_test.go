// SPDX-License-Identifier: Apache-2.0

package host

import (
	"strings"
	"testing"
)

func TestRequirements(t *testing.T) {
	good := Facts{UID: 0, Release: "6.6.0-amd64", BTF: true, Filesystems: "nodev\tsysfs\nnodev\tbpf\n\text4\n"}
	for _, c := range []struct {
		name  string
		facts func(*Facts)
		want  string // part of the only error; empty: none
	}{
		{"fit", func(*Facts) {}, ""},
		{"newer major", func(f *Facts) { f.Release = "7.0.1" }, ""},
		{"newer minor", func(f *Facts) { f.Release = "6.18.44-fc-v595" }, ""},
		{"user", func(f *Facts) { f.UID = 1000 }, "not root but user 1000"},
		{"old", func(f *Facts) { f.Release = "6.5.13" }, "kernel 6.5.13 is too old: TCX links need Linux 6.6"},
		{"very old", func(f *Facts) { f.Release = "5.15.0-91-generic" }, "need Linux 6.6"},
		{"strange", func(f *Facts) { f.Release = "unknown" }, `"unknown" is not understood`},
		{"no BTF", func(f *Facts) { f.BTF = false }, "CONFIG_DEBUG_INFO_BTF"},
		{"no bpffs", func(f *Facts) { f.Filesystems = "nodev\tsysfs\nnodev\tnotbpf\n" }, "BPF filesystem"},
	} {
		t.Run(c.name, func(t *testing.T) {
			facts := good
			c.facts(&facts)
			missing := facts.Missing()
			if c.want == "" {
				if len(missing) != 0 {
					t.Error(missing)
				}
				return
			}
			if len(missing) != 1 || !strings.Contains(missing[0].Error(), c.want) {
				t.Errorf("got %v, want %q", missing, c.want)
			}
		})
	}
	if missing := (Facts{UID: 1}).Missing(); len(missing) != 4 {
		t.Errorf("all at once: %v", missing)
	}
}

func TestKernel(t *testing.T) {
	major, minor, release, err := Kernel()
	must(t, err)
	if major < 3 || minor < 0 || release == "" || ReadFacts().Release != release {
		t.Errorf("%d.%d %q", major, minor, release)
	}
}
