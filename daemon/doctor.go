// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/drawbridge-l2/drawbridge/cli"
	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/host"
	"github.com/spf13/cobra"
)

// exitUnfit is the exit code of a doctor that found an error.
const exitUnfit = 3

// doctorOptions is what `doctor` takes.
type doctorOptions struct {
	file    string
	output  outputFlag
	fix     bool
	ask     []string
	timeout time.Duration
}

func doctorCommand() *cobra.Command {
	var o doctorOptions
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Examine whether this host is fit for the gateway",
		Long: "Examine whether this host is fit for the gateway that the configuration describes, and say of everything\n" +
			"that is wrong what follows from it and how it is mended. Works with and without a running daemon, and does\n" +
			"not disturb forwarding: it sends ICMP echo requests and a few UDP packets to the peers, to measure the\n" +
			"paths to them, and with --ask ARP probes to a customer's station. Without a configuration it examines the\n" +
			"machine alone.\n\n" +
			"The exit code is 3 when there is an error among the findings, and 2 when the configuration is faulty.",
		Example: "  drawbridge doctor\n  drawbridge doctor --fix\n  drawbridge doctor --ask acme=10.1.0.1",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.run(c)
		},
	}
	f := c.Flags()
	f.StringVar(&o.file, "config", DefaultConfig, "the configuration `file`")
	f.BoolVar(&o.fix, "fix", false, "switch off wrong offloads on the customers' NICs, and nothing else")
	f.StringArrayVar(&o.ask, "ask", nil, "ask a customer's station, `EXT=ADDRESS`, from a foreign MAC: does the virtual NIC let it pass; may be repeated")
	f.DurationVar(&o.timeout, "timeout", 20*time.Second, "how long measuring the paths to the peers may take at most")
	o.output.add(c)
	return c
}

func (o *doctorOptions) run(c *cobra.Command) error {
	cfg, err := o.load(c)
	if err != nil {
		return reportFaults(c.ErrOrStderr(), err)
	}
	stations, err := parseStations(o.ask, cfg)
	if err != nil {
		return usageError(c, err)
	}
	if os.Geteuid() != 0 {
		return errors.New("not root: looking at NICs and measuring paths needs root")
	}
	h, err := host.Open()
	if err != nil {
		return err
	}
	report, err := o.examine(c.Context(), h, cfg, stations)
	if err = errors.Join(err, h.Close()); err != nil {
		return err
	}
	if err := o.print(c.OutOrStdout(), report); err != nil {
		return err
	}
	if report.worst() == severe {
		return &cli.ExitError{Code: exitUnfit}
	}
	return nil
}

// load reads the configuration. Without a file at the usual place there is none, which is no fault.
func (o *doctorOptions) load(c *cobra.Command) (*config.Config, error) {
	cfg, _, err := fileSource(o.file).Load()
	if errors.Is(err, fs.ErrNotExist) && !c.Flags().Changed("config") {
		return nil, nil
	}
	return cfg, err
}

// examine mends what it may, looks at everything and judges.
func (o *doctorOptions) examine(ctx context.Context, h *host.Host, cfg *config.Config, stations []station) (report, error) {
	r := report{Fixed: []fixedSetting{}}
	if o.fix && cfg != nil {
		r.Fixed = append(r.Fixed, fixOffloads(ctx, h, cfg)...)
	}
	x, err := look(ctx, h, cfg, stations, o.timeout)
	if err != nil {
		return report{}, err
	}
	if cfg != nil {
		r.Gateway = string(cfg.Gateway.Name)
	}
	r.Engine, r.Running = x.engineName(), x.running
	r.Findings = judge(x)
	return r, nil
}

func (o *doctorOptions) print(w io.Writer, r report) error {
	if o.output.json() {
		return printJSON(w, r)
	}
	return r.print(w)
}

// station is a machine of a customer's that is asked whether frames to and from foreign MACs pass.
type station struct {
	extension *config.Extension
	addr      netip.Addr
}

// parseStations reads EXT=ADDRESS.
func parseStations(asked []string, cfg *config.Config) ([]station, error) {
	var stations []station
	for _, text := range asked {
		name, address, _ := strings.Cut(text, "=")
		addr, err := netip.ParseAddr(address)
		if err != nil || !addr.Is4() {
			return nil, fmt.Errorf("--ask %q is not EXT=ADDRESS with an IPv4 address", text)
		}
		e := extensionOf(cfg, name)
		if e == nil {
			return nil, fmt.Errorf("--ask %q: the configuration has no extension %q", text, name)
		}
		stations = append(stations, station{e, addr})
	}
	return stations, nil
}

func extensionOf(cfg *config.Config, name string) *config.Extension {
	if cfg == nil {
		return nil
	}
	for i := range cfg.Extensions {
		if string(cfg.Extensions[i].Name) == name {
			return &cfg.Extensions[i]
		}
	}
	return nil
}
