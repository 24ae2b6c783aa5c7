// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAMissingBPFFileSystemIsNoticed(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	dir := t.TempDir()
	for _, missing := range []string{dir, dir + "/none"} {
		log.Reset()
		noticeBPFFS(logger, missing)
		if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=WARN") || !strings.Contains(got, "not mounted on "+missing) {
			t.Errorf("logged %q", got)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	if err := unix.Mount("bpffs", dir, "bpf", 0, "mode=0700"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	log.Reset()
	if noticeBPFFS(logger, dir); log.Len() > 0 {
		t.Errorf("logged %q of a mounted one", log.String())
	}
}
