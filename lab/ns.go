// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// NS is one network namespace of a Net.
type NS struct {
	Role string // such as "gw" or "hv1"
	Name string // of the file under /run/netns

	net    *Net
	handle netns.NsHandle
	nl     *netlink.Handle
}

// home is the namespace that the process started in: threads return to it.
var home struct {
	once sync.Once
	fd   int
	err  error
}

func openHome() error {
	home.once.Do(func() {
		home.fd, home.err = unix.Open("/proc/self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	})
	if home.err != nil {
		return fmt.Errorf("open own network namespace: %w", home.err)
	}
	return nil
}

// inThread runs f on a thread of its own that enter moved to another namespace, and brings it home.
func inThread(enter, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := enter()
		if err == nil {
			err = f()
		}
		if back := unix.Setns(home.fd, unix.CLONE_NEWNET); back == nil {
			runtime.UnlockOSThread() // otherwise the thread ends with its goroutine
		}
		done <- err
	}()
	return <-done
}

func makeNS(n *Net, role, name string) (*NS, error) {
	if err := os.MkdirAll(namespaceDir, 0o755); err != nil {
		return nil, fmt.Errorf("make namespace %s: %w", name, err)
	}
	if err := shareNamespaceDir(); err != nil {
		return nil, fmt.Errorf("make namespace %s: %w", name, err)
	}
	path := filepath.Join(namespaceDir, name)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return nil, fmt.Errorf("make namespace %s: %w", name, err)
	}
	f.Close()
	space := &NS{Role: role, Name: name, net: n, handle: netns.None()}
	if err := space.open(path); err != nil {
		return nil, errors.Join(fmt.Errorf("make namespace %s: %w", name, err), space.remove())
	}
	return space, nil
}

// shareNamespaceDir makes the directory a mount point of its own, as iproute2 does before it makes its first namespace:
// done later, by iproute2, it would hide the names that are bound here until then, and nobody could remove them.
func shareNamespaceDir() error {
	err := unix.Mount("", namespaceDir, "none", unix.MS_SHARED|unix.MS_REC, "")
	if !errors.Is(err, unix.EINVAL) {
		return err
	}
	if err := unix.Mount(namespaceDir, namespaceDir, "none", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	return unix.Mount("", namespaceDir, "none", unix.MS_SHARED|unix.MS_REC, "")
}

// open creates the kernel's side of the namespace, binds it to its name and brings the loopback up.
func (s *NS) open(path string) error {
	enter := func() error { return unix.Unshare(unix.CLONE_NEWNET) }
	bind := func() error {
		self := fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid())
		return unix.Mount(self, path, "bind", unix.MS_BIND, "")
	}
	if err := inThread(enter, bind); err != nil {
		return err
	}
	var err error
	if s.handle, err = netns.GetFromPath(path); err != nil {
		return err
	}
	if s.nl, err = netlink.NewHandleAt(s.handle, unix.NETLINK_ROUTE); err != nil {
		return err
	}
	return s.Up("lo")
}

func (s *NS) remove() error {
	if s.nl != nil {
		s.nl.Close()
	}
	if s.handle.IsOpen() {
		s.handle.Close()
	}
	return unmountNS(s.Path())
}

// unmountNS removes a namespace's name; gone is success.
func unmountNS(path string) error {
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount namespace %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove namespace: %w", err)
	}
	return nil
}

// Path is the namespace's file, as nsenter --net takes it.
func (s *NS) Path() string { return filepath.Join(namespaceDir, s.Name) }

// Do runs f on a thread in the namespace and waits for it. Sockets that f opens stay in the namespace when
// others use them. f must not start goroutines that count on being there too, and must not end its own
// goroutine (no t.Fatal).
func (s *NS) Do(f func() error) error {
	return inThread(func() error {
		if err := unix.Setns(int(s.handle), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter namespace %s: %w", s.Role, err)
		}
		return nil
	}, f)
}

// Command prepares a program that will run in the namespace, and die with this process: to the kernel, with the thread that
// starts it, so no thread of this process may end before. The process that
// starts is the program itself: its pid can be signalled. It has a process group of its own: a Ctrl-C on the
// terminal is for this process, which ends the others in its own order.
func (s *NS) Command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command("nsenter", append([]string{"--net=" + s.Path(), "--", name}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	return cmd
}

// Start starts a program in the namespace that Close ends.
func (s *NS) Start(name string, args ...string) (*exec.Cmd, error) {
	cmd := s.Command(name, args...)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s in %s: %w", name, s.Role, err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	s.net.OnClose(func() error {
		_ = cmd.Process.Kill()
		<-exited
		return nil
	})
	return cmd, nil
}

// Output runs a program in the namespace and returns what it printed.
func (s *NS) Output(name string, args ...string) (string, error) {
	out, err := s.Command(name, args...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("run %s %s in %s: %w: %s", name, strings.Join(args, " "), s.Role, err, out)
	}
	return string(out), nil
}

// Sysctl sets a kernel setting below net, such as "ipv4/ip_forward".
func (s *NS) Sysctl(key, value string) error {
	err := s.Do(func() error {
		return os.WriteFile(filepath.Join("/proc/sys/net", key), []byte(value), 0o644)
	})
	if err != nil {
		return fmt.Errorf("set %s in %s: %w", key, s.Role, err)
	}
	return nil
}

// sysctls sets several.
func (s *NS) sysctls(settings map[string]string) error {
	for key, value := range settings {
		if err := s.Sysctl(key, value); err != nil {
			return err
		}
	}
	return nil
}
