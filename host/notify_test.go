// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestNotify(t *testing.T) {
	for name, socket := range map[string]string{
		"file":     filepath.Join(t.TempDir(), "notify"),
		"abstract": fmt.Sprintf("@dbh%d-notify", os.Getpid()),
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
			must(t, err)
			defer conn.Close()
			t.Setenv("NOTIFY_SOCKET", socket)
			must(t, Notify("READY=1"))
			must(t, conn.SetReadDeadline(time.Now().Add(deadline)))
			buffer := make([]byte, 64)
			n, err := conn.Read(buffer)
			must(t, err)
			if got := string(buffer[:n]); got != "READY=1" {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestNotifyNobody(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	must(t, Notify("READY=1"))
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	if Notify("READY=1") == nil {
		t.Error("a service manager that is gone is no error")
	}
}
