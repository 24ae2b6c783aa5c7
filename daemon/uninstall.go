// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"cmp"
	"errors"
	"fmt"
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
	name l2.Name
	dir  string // its state directory
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
			return uninstall(i)
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
		return installed{n, cmp.Or(dir, defaultState)}, nil
	}
	first, err := loadInitial(fileSource(file))
	if err != nil {
		return installed{}, &cli.ExitError{Code: cli.ExitUsage, Err: fmt.Errorf("%w\n--name names the gateway without a file", err)}
	}
	return installed{first.cfg.Gateway.Name, cmp.Or(dir, first.cfg.Gateway.State)}, nil
}

// uninstall removes a gateway: first what forwards, then what it stood on.
func uninstall(i installed) error {
	if os.Geteuid() != 0 {
		return errors.New("not root: removing programs and changing NICs needs root")
	}
	held, err := lockState(i.dir)
	if err != nil {
		return err
	}
	store, err := gateway.OpenStore(i.dir)
	if err != nil {
		return errors.Join(err, held.release())
	}
	if err := store.Serves(i.name); err != nil {
		return errors.Join(err, held.release())
	}
	if err := removePins(i.name); err != nil {
		return errors.Join(fmt.Errorf("remove pinned state: %w", err), held.release())
	}
	if err := restoreHost(store, i.name); err != nil {
		return errors.Join(err, held.release()) // what is noted on disk is needed for another try
	}
	return errors.Join(store.Remove(), removeLock(i.dir), held.release(), removeEmpty(i.dir))
}

func restoreHost(store *gateway.Store, name l2.Name) error {
	h, err := host.Open()
	if err != nil {
		return err
	}
	errs := gateway.RestoreHost(store, name, machine{h, name})
	errs = append(errs, h.SyncNeighbours(nil, netip.Addr{}, nil), h.Close())
	return errors.Join(errs...)
}

func removeLock(dir string) error {
	err := os.Remove(filepath.Join(dir, lockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// removeEmpty removes the directory unless somebody has something else in it.
func removeEmpty(dir string) error {
	err := os.Remove(dir)
	if entries, readErr := os.ReadDir(dir); readErr == nil && len(entries) > 0 {
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}
