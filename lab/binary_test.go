// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// binaries are built at most once; DRAWBRIDGE_BIN names one that is there already.
var binaries struct {
	once    sync.Once
	dir     string
	current string
	other   string // built differently: what one upgrades to
	err     error
}

func buildBinaries() {
	binaries.dir, binaries.err = os.MkdirTemp("", "drawbridge-lab-bin-")
	if binaries.err != nil {
		return
	}
	binaries.current = os.Getenv("DRAWBRIDGE_BIN")
	if binaries.current == "" {
		binaries.current = filepath.Join(binaries.dir, "drawbridge")
		binaries.err = goBuild(binaries.current)
	}
	if binaries.err == nil {
		binaries.other = filepath.Join(binaries.dir, "drawbridge-other")
		binaries.err = goBuild(binaries.other, "-ldflags", "-s -w -X github.com/drawbridge-l2/drawbridge/daemon.Version=v0.0.0-other")
	}
}

func goBuild(to string, flags ...string) error {
	args := append(append([]string{"build", "-o", to}, flags...), "github.com/drawbridge-l2/drawbridge/cmd/drawbridge")
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

func removeBinaries() {
	if binaries.dir != "" {
		_ = os.RemoveAll(binaries.dir)
	}
}

// drawbridge is the program under test.
func drawbridge(t *testing.T) string {
	t.Helper()
	binaries.once.Do(buildBinaries)
	must(t, binaries.err)
	return binaries.current
}

// otherBinary is another build of it.
func otherBinary(t *testing.T) string {
	t.Helper()
	drawbridge(t)
	return binaries.other
}
