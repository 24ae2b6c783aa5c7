// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// connectVariable makes the test binary connect to the socket that it names, as another user, and end.
const connectVariable = "API_TEST_CONNECT"

func TestMain(m *testing.M) {
	socket := os.Getenv(connectVariable)
	if socket == "" {
		os.Exit(m.Run())
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		if errors.Is(err, os.ErrPermission) {
			os.Exit(13)
		}
		os.Exit(1)
	}
	io.Copy(io.Discard, conn) // until the test has looked
}

func TestPeerIsThisProcess(t *testing.T) {
	l, err := Listen(filepath.Join(shortDir(t), "s"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dial(t, l.Addr().String())
	peer := acceptPeer(t, l)
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	want := make([]uint32, 0, len(groups))
	for _, g := range groups {
		want = append(want, uint32(g))
	}
	slices.Sort(want)
	slices.Sort(peer.Groups)
	if int(peer.UID) != os.Geteuid() || int(peer.GID) != os.Getegid() || int(peer.PID) != os.Getpid() || !slices.Equal(peer.Groups, want) {
		t.Errorf("got %+v, want groups %v", peer, want)
	}
}

// Two hundred groups do not fit into the first buffer.
func TestPeerGroupsOfAnotherUser(t *testing.T) {
	needRoot(t)
	socket := filepath.Join(shortDir(t), "s")
	l, err := Listen(socket, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	openWay(t, socket, 0o666)
	groups := make([]uint32, 200)
	for i := range groups {
		groups[i] = uint32(3000 + i)
	}
	wait := connectAs(t, socket, &syscall.Credential{Uid: 2001, Gid: 2002, Groups: groups})
	peer := acceptPeer(t, l)
	slices.Sort(peer.Groups)
	if peer.UID != 2001 || peer.GID != 2002 || !slices.Equal(peer.Groups, groups) {
		t.Errorf("got %+v", peer)
	}
	wait()
}

// The ACL lets in one more group, and nobody else.
func TestAllowGroup(t *testing.T) {
	needRoot(t)
	socket := filepath.Join(shortDir(t), "s")
	l, err := Listen(socket, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := allowGroup(socket, 2701); errors.Is(err, unix.ENOTSUP) {
		t.Skip("the file system of the temporary directory has no POSIX ACLs")
	} else if err != nil {
		t.Fatal(err)
	}
	openWay(t, socket, 0)
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != socketMode {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	wait := connectAs(t, socket, &syscall.Credential{Uid: 2001, Gid: 2002, Groups: []uint32{2701}})
	if peer := acceptPeer(t, l); !slices.Contains(peer.Groups, 2701) {
		t.Errorf("got %+v", peer)
	}
	if code := wait(); code != 0 {
		t.Errorf("a member: exit code %d", code)
	}
	wait = connectAs(t, socket, &syscall.Credential{Uid: 2001, Gid: 2002})
	if code := wait(); code != 13 {
		t.Errorf("a stranger: exit code %d, want 13 (permission denied)", code)
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: the right to become another user")
	}
}

// openWay lets other users reach the socket's directory, and the socket when mode is not 0.
func openWay(t *testing.T, socket string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	if mode != 0 {
		if err := os.Chmod(socket, mode); err != nil {
			t.Fatal(err)
		}
	}
}

// connectAs connects as another user. The function returned waits for that process's end.
func connectAs(t *testing.T, socket string, as *syscall.Credential) (exitCode func() int) {
	t.Helper()
	// The test binary's own directory may be closed to other users.
	binary := filepath.Join(filepath.Dir(socket), "connect")
	copyFile(t, "/proc/self/exe", binary)
	cmd := exec.Command(binary)
	cmd.Env = []string{connectVariable + "=" + socket}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() int {
		timer := time.AfterFunc(deadline, func() { cmd.Process.Kill() })
		defer timer.Stop()
		cmd.Wait()
		return cmd.ProcessState.ExitCode()
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(to)
	if err := os.WriteFile(to, data, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(to, 0o755); err != nil { // whatever the umask is
		t.Fatal(err)
	}
}

// acceptPeer takes the next connection, reads who made it, and closes it.
func acceptPeer(t *testing.T, l net.Listener) Peer {
	t.Helper()
	l.(*net.UnixListener).SetDeadline(time.Now().Add(deadline))
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	peer, err := peerCredentials(conn)
	if err != nil {
		t.Fatal(err)
	}
	return peer
}
