// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOneDaemonAStateDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	first, err := lockState(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = lockState(dir)
	if want := fmt.Sprintf("process ID %d", os.Getpid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a second lock: %v, want an error with %q", err, want)
	}
	if err := first.release(); err != nil {
		t.Fatal(err)
	}
	again, err := lockState(dir)
	if err != nil {
		t.Fatalf("after the first is gone: %v", err)
	}
	if err := again.release(); err != nil {
		t.Error(err)
	}
}
