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

// binaries are built at most once, when they are wanted: the program under test, which DRAWBRIDGE_BIN may name, another
// build of it, to upgrade to, and one whose maps have another layout.
var binaries struct {
	dir sync.Mutex
	at  string

	current, other, later func() (string, error)
}

func init() {
	binaries.current = sync.OnceValues(func() (string, error) {
		if given := os.Getenv("DRAWBRIDGE_BIN"); given != "" {
			return given, nil
		}
		return goBuild("drawbridge")
	})
	binaries.later = sync.OnceValues(buildLater)
	binaries.other = sync.OnceValues(func() (string, error) {
		return goBuild("drawbridge-other", "-ldflags", "-s -w -X github.com/drawbridge-l2/drawbridge/daemon.Version=v0.0.0-other")
	})
}

// binaryDir is where binaries are built.
func binaryDir() (string, error) {
	binaries.dir.Lock()
	defer binaries.dir.Unlock()
	var err error
	if binaries.at == "" {
		binaries.at, err = os.MkdirTemp("", "drawbridge-lab-bin-")
	}
	return binaries.at, err
}

func goBuild(name string, flags ...string) (string, error) {
	dir, err := binaryDir()
	if err != nil {
		return "", err
	}
	to := filepath.Join(dir, name)
	args := append(append([]string{"build", "-o", to}, flags...), "github.com/drawbridge-l2/drawbridge/cmd/drawbridge")
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return to, nil
}

func removeBinaries() {
	if binaries.at != "" {
		_ = os.RemoveAll(binaries.at)
	}
}

// drawbridge is the program under test.
func drawbridge(t *testing.T) string {
	t.Helper()
	path, err := binaries.current()
	must(t, err)
	return path
}

// otherBinary is another build of it.
func otherBinary(t *testing.T) string {
	t.Helper()
	path, err := binaries.other()
	must(t, err)
	return path
}
