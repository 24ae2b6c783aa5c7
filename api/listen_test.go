// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestListenModes(t *testing.T) {
	socket := filepath.Join(shortDir(t), "made", "on", "the", "way", "s")
	l, err := Listen(socket, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := os.Stat(socket)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o660 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestListenReplacesStaleSocket(t *testing.T) {
	socket := filepath.Join(shortDir(t), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false) // as kill -9 leaves it
	dead.Close()
	if _, err := os.Lstat(socket); err != nil {
		t.Fatal("there is no stale socket to replace")
	}
	l, err := Listen(socket, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dial(t, socket)
}

// A daemon that does not accept, because it is frozen, lives all the same.
func TestListenRefusesLiveSocket(t *testing.T) {
	socket := filepath.Join(shortDir(t), "s")
	live, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	if _, err := Listen(socket, nil); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), socket) {
		t.Errorf("got %v", err)
	}
	dial(t, socket)
}

func TestListenLeavesFilesAlone(t *testing.T) {
	path := filepath.Join(shortDir(t), "precious")
	if err := os.WriteFile(path, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path, nil); err == nil {
		t.Error("replaced a file")
	}
	if data, _ := os.ReadFile(path); string(data) != "data" {
		t.Errorf("the file has now %q", data)
	}
}
