// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/drawbridge-l2/drawbridge/cli"
	"github.com/drawbridge-l2/drawbridge/gateway"
	"github.com/drawbridge-l2/drawbridge/host"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/spf13/cobra"
)

// installed names what a gateway left on this machine.
type installed struct {
	name      l2.Name
	dir       string // its state directory
	guessed   bool   // nobody said that it is this one
	namespace string // of the network, as the daemon noted it; empty when it did not
	force     bool   // remove what can be removed from another namespace
}

// uninstallOptions is what `uninstall-state` takes.
type uninstallOptions struct {
	file, name, dir string
	force           bool
}

func uninstallCommand() *cobra.Command {
	var o uninstallOptions
	c := &cobra.Command{
		Use:   "uninstall-state",
		Short: "End forwarding and remove a gateway's state from kernel, NICs and disk",
		Long: "Remove every pinned object, link, device and NIC setting of a gateway, and what it keeps on disk. Its\n" +
			"daemon must not run. The configuration file stays. What is gone already is success.\n\n" +
			"It must run in the gateway's network namespace, or it cannot give the NICs their settings back.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if c.Flags().Changed("name") && c.Flags().Changed("config") {
				return usageError(c, errors.New("--config and --name were given: one of them is allowed"))
			}
			i, err := o.find()
			if err != nil {
				return err
			}
			return i.uninstall(c.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&o.file, "config", DefaultConfig, "the gateway's configuration `file`")
	c.Flags().StringVar(&o.name, "name", "", "the gateway's `name`, when there is no file any more")
	c.Flags().StringVar(&o.dir, "state", "", "its state `directory`, when it is not the configured one")
	c.Flags().BoolVar(&o.force, "force", false, "also from another network namespace, when the gateway's own is gone: NICs are left alone then")
	return c
}

// find takes name and directory from the flags or from the file; a faulty file has a last good one beside
// it. Of a name alone, the daemon noted the directory.
func (o uninstallOptions) find() (installed, error) {
	if o.name == "" {
		first, err := loadInitial(fileSource(o.file))
		if err != nil {
			return installed{}, &cli.ExitError{Code: cli.ExitUsage, Err: fmt.Errorf("%w\n--name names the gateway without a file", err)}
		}
		return o.found(first.cfg.Gateway.Name, first.cfg.Gateway.State)
	}
	name, err := l2.ParseName(o.name)
	if err != nil {
		return installed{}, &cli.ExitError{Code: cli.ExitUsage, Err: err}
	}
	return o.found(name, "")
}

// found joins what is known. A directory that is named twice is where the flag says. The last daemon's word counts before the
// configuration's, which may have changed since, and both before a guess.
func (o uninstallOptions) found(name l2.Name, configured string) (installed, error) {
	noted, err := findWhereabouts(name)
	if err != nil && cmp.Or(o.dir, configured) == "" {
		return installed{}, err
	}
	if configured != "" && !isDir(noted.State) {
		noted.State = ""
	}
	i := installed{name: name, dir: cmp.Or(o.dir, noted.State, configured), namespace: noted.Namespace, force: o.force}
	if i.dir == "" {
		i.dir, i.guessed = defaultState, true
	}
	return i, nil
}

// uninstall removes a gateway: first what forwards, then what it stood on.
func (i installed) uninstall(notes io.Writer) error {
	if os.Geteuid() != 0 {
		return errors.New("not root: removing programs and changing NICs needs root")
	}
	h, err := host.Open()
	if err != nil {
		return err
	}
	store, err := i.store()
	if err == nil {
		err = i.inside(h, store, notes)
	}
	return errors.Join(err, h.Close())
}

// inside does it from the namespace that h has hold of.
func (i installed) inside(h *host.Host, store *gateway.Store, notes io.Writer) error {
	away, err := i.away(h, store)
	if err != nil {
		return err
	}
	if away != "" && !i.force {
		return i.wrongNamespace(away)
	}
	m := &machine{h, i.name, nil}
	if away != "" {
		_, _ = fmt.Fprintf(notes, "gateway %s was set up in network namespace %s: what is left of NIC settings there stays as it is\n", i.name, away)
		m = nil
	}
	if store == nil {
		_, _ = fmt.Fprintf(notes, "no state of gateway %s in %s: NIC settings stay as they are (--state names another directory)\n", i.name, i.dir)
		return errors.Join(removePins(i.name), m.removeOurs(), forgetWhereabouts(i.name))
	}
	return i.withLock(func() error { return i.removeAll(store, m) })
}

// withLock does it while no daemon has the state directory, which is removed in the end.
func (i installed) withLock(remove func() error) error {
	held, err := lockState(i.dir)
	if err != nil {
		return err
	}
	if err := remove(); err != nil {
		return errors.Join(err, held.release()) // what is noted on disk is needed for another try
	}
	err = errors.Join(removeLock(i.dir), held.release())
	removeEmpty(i.dir)
	return err
}

// away is the namespace that the gateway was set up in when that is another one than this; else empty.
func (i installed) away(h *host.Host, store *gateway.Store) (string, error) {
	noted := i.namespace
	if store != nil {
		kept, err := store.Namespace(i.name, bootID())
		if err != nil {
			return "", err
		}
		noted = cmp.Or(kept, noted)
	}
	here, err := h.Namespace()
	if err != nil || noted == here {
		return "", err
	}
	return noted, nil
}

// wrongNamespace says where to go instead.
func (i installed) wrongNamespace(namespace string) error {
	what := fmt.Errorf("gateway %s was set up in another network namespace, %s: nothing was removed", i.name, namespace)
	if file := host.NamespaceFile(namespace); file != "" {
		return fmt.Errorf("%w (remedy: nsenter --net=%s drawbridge uninstall-state --name %s)", what, file, i.name)
	}
	return fmt.Errorf("%w, and no file leads there (remedy: enter it with nsenter --net, or, when it is gone, --force)", what)
}

// store opens the state directory; none when there is none of this gateway.
func (i installed) store() (*gateway.Store, error) {
	if _, err := os.Stat(i.dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	store, err := gateway.OpenStore(i.dir)
	if err != nil {
		return nil, err
	}
	err = store.Serves(i.name)
	if err != nil && i.guessed {
		return nil, nil // another gateway's, which is none of our business
	}
	return store, err
}

// removeAll removes everything. Without a machine the NICs are out of reach.
func (i installed) removeAll(store *gateway.Store, m *machine) error {
	if err := removePins(i.name); err != nil {
		return fmt.Errorf("remove pinned state: %w", err)
	}
	if m != nil {
		if errs := gateway.RestoreHost(store, i.name, *m); len(errs) > 0 {
			return errors.Join(errs...)
		}
	}
	if err := m.removeOurs(); err != nil {
		return err
	}
	return errors.Join(store.Remove(), forgetWhereabouts(i.name))
}

// removeOurs removes what can be told to be this gateway's without any note.
func (m *machine) removeOurs() error {
	if m == nil {
		return nil
	}
	links, err := m.Host.Links()
	if err != nil {
		return err
	}
	var errs []error
	for name := range links {
		if isTunnelName(m.name, name) {
			errs = append(errs, m.RemoveTunnelDevice(name))
		}
	}
	return errors.Join(errs...)
}

func removeLock(dir string) error {
	err := os.Remove(filepath.Join(dir, lockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// removeEmpty removes the directory unless somebody has something else in it, or it cannot be removed.
func removeEmpty(dir string) {
	_ = os.Remove(dir) // refuses what is not empty
}
