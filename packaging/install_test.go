// SPDX-License-Identifier: Apache-2.0

package packaging_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestPackages makes both packages and installs, upgrades and removes them in a root file system that is this
// machine's with a layer above it, which goes with the test.
func TestPackages(t *testing.T) {
	dist := t.TempDir()
	build := exec.Command("make", "packages", "DIST="+dist)
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("make packages: %v\n%s", err, out)
	}
	for name, script := range map[string]string{"*.deb": "testdata/deb.sh", "*.rpm": "testdata/rpm.sh"} {
		t.Run(name, func(t *testing.T) {
			found, err := filepath.Glob(filepath.Join(dist, name))
			if err != nil || len(found) != 1 {
				t.Fatalf("%v %v", found, err)
			}
			inLayer(t, script, found[0])
		})
	}
}

// inLayer runs a script in a mount namespace of its own, changed into a root file system whose changes are
// forgotten. The package lies there as /package; systemctl notes in /systemctl.log what it is asked.
func inLayer(t *testing.T, script, pkg string) {
	t.Helper()
	const enter = `set -euo pipefail
layer=$(mktemp -d)
trap 'umount -l "$layer"; rmdir "$layer"' EXIT
mount -t tmpfs none "$layer"
mkdir "$layer"/upper "$layer"/work "$layer"/top
mount -t overlay none -o lowerdir=/,upperdir="$layer"/upper,workdir="$layer"/work "$layer"/top
mount --bind /dev "$layer"/top/dev
mount -t proc none "$layer"/top/proc
rm -rf "$layer"/top/run/*
cp "$2" "$layer"/top/package
cp "$1" "$layer"/top/script
printf '#!/bin/sh\necho "$*" >>/systemctl.log\n' >"$layer"/top/usr/bin/systemctl.new
chmod 755 "$layer"/top/usr/bin/systemctl.new
mv "$layer"/top/usr/bin/systemctl.new "$layer"/top/usr/bin/systemctl
chroot "$layer"/top bash -euo pipefail /script`
	c := exec.Command("unshare", "--mount", "--propagation", "private", "bash", "-c", enter, "enter", script, pkg)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Run(); err != nil {
		t.Errorf("%s: %v\n%s", script, err, out.String())
	}
}

// TestTheUnitIsHardened holds the unit to what the documentation says of it. Later versions of systemd count a
// little differently.
func TestTheUnitIsHardened(t *testing.T) {
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", "drawbridge.service").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	found := regexp.MustCompile(`Overall exposure level for drawbridge.service: ([0-9.]+)`).FindSubmatch(out)
	if found == nil {
		t.Fatalf("no figure in\n%s", out)
	}
	exposure, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil || exposure > 4.0 {
		t.Errorf("exposure %s, %v\n%s", found[1], err, out)
	}
	page, err := os.ReadFile("../docs/how-to/install.md")
	if err != nil || !strings.Contains(string(page), "exposure level 3.6") {
		t.Errorf("docs/how-to/install.md does not name the figure: %v", err)
	}
}
