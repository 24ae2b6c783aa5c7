// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/drawbridge-l2/drawbridge/cli"
	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/spf13/cobra"
)

// runOptions is what `run` takes.
type runOptions struct {
	file      string
	flags     config.Flags
	logFormat string
	logLevel  string
}

func runCommand() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon",
		Long: "Run the daemon: set up what the configuration says, keep it so, and serve the API.\n\n" +
			"SIGHUP reloads the configuration. SIGTERM ends the daemon and leaves the data plane forwarding;\n" +
			"uninstall-state ends that.",
		Example: "  drawbridge run\n  drawbridge run --underlay eth1 --attach eth2:2301 --vni 10100 --peer 192.0.2.20",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := o.source(c)
			if err != nil {
				return usageError(c, err)
			}
			logger, err := newLogger(c.ErrOrStderr(), o.logFormat, o.logLevel)
			if err != nil {
				return usageError(c, err)
			}
			err = Run(c.Context(), s, logger)
			if errors.Is(err, errFaulty) {
				return &cli.ExitError{Code: cli.ExitUsage, Err: err}
			}
			return err
		},
	}
	o.add(c)
	return c
}

// configFlags are the flags that together replace a file.
var configFlags = []string{"underlay", "address", "port", "attach", "vni", "peer", "name", "engine", "socket", "state"}

func (o *runOptions) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.file, "config", DefaultConfig, "the configuration `file`")
	f.StringVar(&o.flags.Underlay, "underlay", "", "without a file: the `interface` towards the VTEPs, or several with commas")
	f.StringVar(&o.flags.Address, "address", "", "without a file: the local VTEP's `address`")
	f.StringVar(&o.flags.Port, "port", "", "without a file: the VXLAN UDP `port` (default 4789)")
	f.StringArrayVar(&o.flags.Attach, "attach", nil, "without a file: a circuit as `interface:vlan`; may be repeated, each with its --vni")
	f.StringArrayVar(&o.flags.VNI, "vni", nil, "without a file: the `VNI` of the circuit")
	f.StringArrayVar(&o.flags.Peer, "peer", nil, "without a file: the `address` of a VTEP; may be repeated")
	f.StringVar(&o.flags.Name, "name", "", "without a file: the gateway's `name` (default the host's)")
	f.StringVar(&o.flags.Engine, "engine", "", "without a file: auto, xdp or tc")
	f.StringVar(&o.flags.Socket, "socket", "", "without a file: the API's socket `path`")
	f.StringVar(&o.flags.State, "state", "", "without a file: the state `directory`")
	f.StringVar(&o.logFormat, "log-format", "text", "text or json")
	f.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error")
}

// source decides between file and flags: a mixture has no clear meaning.
func (o *runOptions) source(c *cobra.Command) (source, error) {
	var given []string
	for _, name := range configFlags {
		if c.Flags().Changed(name) {
			given = append(given, "--"+name)
		}
	}
	switch {
	case len(given) == 0:
		return fileSource(o.file), nil
	case c.Flags().Changed("config"):
		return nil, fmt.Errorf("--config and %s were given: the file or the flags are allowed, not both", given[0])
	}
	return flagSource(o.flags), nil
}

// newLogger logs to w, which is standard error.
func newLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q is unknown: debug, info, warn or error is allowed", level)
	}
	o := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return nil, fmt.Errorf("log format %q is unknown: text or json is allowed", format)
}
