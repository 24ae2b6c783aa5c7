// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// namespaceDir is where iproute2 and nsenter look for named namespaces.
const namespaceDir = "/run/netns"

// Net is a set of network namespaces that belong together. Its methods may be called from any goroutine,
// one at a time.
type Net struct {
	prefix string // of the names of its namespaces
	base   string // prefix, pid and number: unique in the machine

	mu      sync.Mutex
	spaces  map[string]*NS
	cleanup []func() error
	closed  bool
	ports   int
}

var (
	instances atomic.Int64
	openNets  sync.Map // *Net → nil: what CloseOnSignal closes
)

// New starts an empty set. Its namespaces are named prefix, pid, number, role: no two labs collide.
func New(prefix string) (*Net, error) {
	if prefix == "" || strings.ContainsAny(prefix, "/ .") {
		return nil, fmt.Errorf("new lab: prefix %q is not usable in a file name", prefix)
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("new lab: network namespaces need root")
	}
	if err := openHome(); err != nil {
		return nil, err
	}
	n := &Net{
		prefix: prefix,
		base:   fmt.Sprintf("%s%d-%d-", prefix, os.Getpid(), instances.Add(1)),
		spaces: make(map[string]*NS),
	}
	openNets.Store(n, nil)
	return n, nil
}

// NS makes the namespace of a role, with its loopback up.
func (n *Net) NS(role string) (*NS, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, fmt.Errorf("make namespace %s: the lab is closed", role)
	}
	if _, ok := n.spaces[role]; ok {
		return nil, fmt.Errorf("make namespace %s: it is there already", role)
	}
	space, err := makeNS(n, role, n.base+role)
	if err != nil {
		return nil, err
	}
	n.spaces[role] = space
	return space, nil
}

// Roles lists the roles that have a namespace, sorted.
func (n *Net) Roles() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	roles := make([]string, 0, len(n.spaces))
	for role := range n.spaces {
		roles = append(roles, role)
	}
	slices.Sort(roles)
	return roles
}

// portName is a link name that no other port of the Net has: a port may move between namespaces.
func (n *Net) portName() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ports++
	return fmt.Sprintf("p%d", n.ports)
}

// OnClose has f run by Close, before the namespaces go away, the last one first.
func (n *Net) OnClose(f func() error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cleanup = append(n.cleanup, f)
}

// Close ends the processes that run in the namespaces and removes all of it. Closing twice is success.
func (n *Net) Close() error {
	n.mu.Lock()
	cleanup, spaces := n.cleanup, n.spaces
	n.cleanup, n.spaces, n.closed = nil, nil, true
	n.mu.Unlock()
	openNets.Delete(n)

	var errs []error
	for _, f := range slices.Backward(cleanup) {
		errs = append(errs, f())
	}
	for _, space := range spaces {
		errs = append(errs, space.remove())
	}
	return errors.Join(errs...)
}

// CloseOnSignal has SIGINT and SIGTERM close every open Net and end the process with status 130. A program
// calls it once; the function that it returns takes the signals back.
func CloseOnSignal() (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		if _, ok := <-signals; !ok {
			return
		}
		openNets.Range(func(n, _ any) bool {
			_ = n.(*Net).Close()
			return true
		})
		os.Exit(130)
	}()
	return sync.OnceFunc(func() {
		signal.Stop(signals)
		close(signals)
	})
}

// Sweep removes what a killed program left: the namespaces with this prefix, and the pinned state of gateways, whose
// process is gone.
func Sweep(prefix string) error {
	return errors.Join(sweep(namespaceDir, prefix, sweepNS), sweep(PinDir, daemonPrefix, os.RemoveAll))
}

// sweepNS removes a namespace's name. One that another mount hides stays until the machine starts anew, and is in nobody's
// way.
func sweepNS(path string) error {
	if err := unmountNS(path); !errors.Is(err, syscall.EBUSY) {
		return err
	}
	return nil
}

func sweep(dir, prefix string, remove func(path string) error) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sweep %s: %w", dir, err)
	}
	var errs []error
	for _, e := range entries {
		if pid, ok := ownerOf(e.Name(), prefix); ok && !alive(pid) {
			errs = append(errs, remove(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// ownerOf reads the pid that follows the prefix in a name.
func ownerOf(name, prefix string) (int, bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return 0, false
	}
	digits, _, ok := strings.Cut(rest, "-")
	pid, err := strconv.Atoi(digits)
	return pid, ok && err == nil
}

func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
