// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/drawbridge-l2/drawbridge/l2"
)

const defaultBPFFS = "/sys/fs/bpf"

// pins is the gateway's folder in the BPF file system, and the lock on it.
type pins struct {
	gateway l2.Name
	root    string
	lock    *os.File
}

func openPins(o Options) (pins, error) {
	base := o.BPFFS
	if base == "" {
		base = defaultBPFFS
	}
	if err := mountBPFFS(base); err != nil {
		return pins{}, err
	}
	p := pins{gateway: o.Gateway, root: filepath.Join(base, "drawbridge", string(o.Gateway))}
	for _, dir := range []string{p.root, p.links()} {
		if err := makeFolder(dir); err != nil {
			return pins{}, err
		}
	}
	return p, p.takeLock()
}

func mountBPFFS(dir string) error {
	var st unix.Statfs_t
	err := unix.Statfs(dir, &st)
	if err == nil && st.Type == unix.BPF_FS_MAGIC {
		return nil
	}
	if errors.Is(err, unix.ENOENT) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("create mount point %s: %w", dir, err)
		}
	}
	if err := unix.Mount("bpffs", dir, "bpf", 0, "mode=0700"); err != nil {
		return fmt.Errorf("mount the BPF file system on %s: %w (does the kernel have CONFIG_BPF_SYSCALL?)", dir, err)
	}
	return nil
}

// takeLock locks the folder itself, so that one gateway has one daemon, whatever its state folder is.
func (p *pins) takeLock() error {
	dir, err := os.Open(p.root)
	if err != nil {
		return fmt.Errorf("open %s: %w", p.root, err)
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = dir.Close()
		return fmt.Errorf("lock gateway %s: %s holds it: stop that process, or give this gateway another name", p.gateway, holder(p.root))
	}
	p.lock = dir
	return nil
}

// holder names the process that locks a folder, from /proc/locks.
func holder(path string) string {
	var st unix.Stat_t
	text, err := os.ReadFile("/proc/locks")
	if err != nil || unix.Stat(path, &st) != nil {
		return "another process"
	}
	inode := ":" + strconv.FormatUint(st.Ino, 10)
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) > 5 && f[1] == "FLOCK" && strings.HasSuffix(f[5], inode) {
			return "process " + f[4]
		}
	}
	return "another process"
}

func (p *pins) unlock() error {
	if p.lock == nil {
		return nil
	}
	err := p.lock.Close()
	p.lock = nil
	return err
}

func (p *pins) maps() string  { return filepath.Join(p.root, "maps") }
func (p *pins) links() string { return filepath.Join(p.root, "links") }

func (p *pins) mapPath(name string) string { return filepath.Join(p.maps(), name) }

func (p *pins) linkPath(name string) string { return filepath.Join(p.links(), name) }

func (p *pins) hasMaps() (bool, error) {
	entries, err := os.ReadDir(p.maps())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %s: %w", p.maps(), err)
	}
	return len(entries) > 0, nil
}

// linkNames lists the pinned links by the name they were given.
func (p *pins) linkNames() ([]string, error) {
	entries, err := os.ReadDir(p.links())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", p.links(), err)
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

func isMissing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// Uninstall detaches and removes everything of the gateway, links first and in order: nothing forwards
// unguarded at any moment. What is gone already is success.
func Uninstall(o Options) error {
	base := o.BPFFS
	if base == "" {
		base = defaultBPFFS
	}
	root := filepath.Join(base, "drawbridge", string(o.Gateway))
	if isMissing(root) {
		return nil
	}
	p, err := openPins(o)
	if err != nil {
		return err
	}
	errs := []error{detachPinned(p), os.RemoveAll(root), p.unlock()}
	if err := os.Remove(filepath.Join(base, "drawbridge")); err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func detachPinned(p pins) error {
	plane := &Plane{pins: p, links: map[string]attachment{}}
	if err := plane.adoptLinks(); err != nil {
		return err
	}
	return plane.detachInOrder(slices.Collect(maps.Keys(plane.links)))
}
