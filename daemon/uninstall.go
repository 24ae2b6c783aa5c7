// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
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
	name    l2.Name
	dir     string // its state directory
	guessed bool   // nobody said that it is this one
}

func uninstallCommand() *cobra.Command {
	var file, name, dir string
	c := &cobra.Command{
		Use:   "uninstall-state",
		Short: "End forwarding and remove a gateway's state from kernel, NICs and disk",
		Long: "Remove every pinned object, link, device and NIC setting of a gateway, and what it keeps on disk. Its\n" +
			"daemon must not run. The configuration file stays. What is gone already is success.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if c.Flags().Changed("name") && c.Flags().Changed("config") {
				return usageError(c, errors.New("--config and --name were given: one of them is allowed"))
			}
			i, err := findInstalled(file, name, dir)
			if err != nil {
				return err
			}
			return i.uninstall(c.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&file, "config", DefaultConfig, "the gateway's configuration `file`")
	c.Flags().StringVar(&name, "name", "", "the gateway's `name`, when there is no file any more")
	c.Flags().StringVar(&dir, "state", "", "its state `directory`, when it is not the configured one")
	return c
}

// findInstalled takes name and directory from the flags or from the file; a faulty file has a last good
// one beside it.
func findInstalled(file, name, dir string) (installed, error) {
	if name != "" {
		n, err := l2.ParseName(name)
		if err != nil {
			return installed{}, &cli.ExitError{Code: cli.ExitUsage, Err: err}
		}
		return installed{n, cmp.Or(dir, defaultState), dir == ""}, nil
	}
	first, err := loadInitial(fileSource(file))
	if err != nil {
		return installed{}, &cli.ExitError{Code: cli.ExitUsage, Err: fmt.Errorf("%w\n--name names the gateway without a file", err)}
	}
	return installed{first.cfg.Gateway.Name, cmp.Or(dir, first.cfg.Gateway.State), false}, nil
}

// uninstall removes a gateway: first what forwards, then what it stood on.
func (i installed) uninstall(notes io.Writer) error {
	if os.Geteuid() != 0 {
		return errors.New("not root: removing programs and changing NICs needs root")
	}
	store, err := i.store()
	if err != nil {
		return err
	}
	if store == nil {
		_, _ = fmt.Fprintf(notes, "no state of gateway %s in %s: NIC settings stay as they are (--state names another directory)\n", i.name, i.dir)
		return errors.Join(removePins(i.name), withHost(i.name, machine.removeOurs))
	}
	held, err := lockState(i.dir)
	if err != nil {
		return err
	}
	if err := i.removeAll(store); err != nil {
		return errors.Join(err, held.release()) // what is noted on disk is needed for another try
	}
	err = errors.Join(removeLock(i.dir), held.release())
	removeEmpty(i.dir)
	return err
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

func (i installed) removeAll(store *gateway.Store) error {
	if err := removePins(i.name); err != nil {
		return fmt.Errorf("remove pinned state: %w", err)
	}
	err := withHost(i.name, func(m machine) error {
		return errors.Join(append(gateway.RestoreHost(store, i.name, m), m.removeOurs())...)
	})
	if err != nil {
		return err
	}
	return store.Remove()
}

// removeOurs removes what can be told to be this gateway's without any note.
func (m machine) removeOurs() error {
	links, err := m.Host.Links()
	if err != nil {
		return err
	}
	errs := []error{m.SyncNeighbours(nil, netip.Addr{}, nil)}
	for name := range links {
		if isTunnelName(m.name, name) {
			errs = append(errs, m.RemoveTunnelDevice(name))
		}
	}
	return errors.Join(errs...)
}

func withHost(name l2.Name, f func(machine) error) error {
	h, err := host.Open()
	if err != nil {
		return err
	}
	return errors.Join(f(machine{h, name}), h.Close())
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
