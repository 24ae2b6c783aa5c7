// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/drawbridge-l2/drawbridge/api"
	"github.com/drawbridge-l2/drawbridge/cli"
	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/spf13/cobra"
)

func checkCommand() *cobra.Command {
	var output outputFlag
	var file string
	c := &cobra.Command{
		Use:   "check",
		Short: "Validate a configuration and print what run would set up",
		Long: "Validate a configuration and print what run would set up. Changes nothing, and needs neither root nor\n" +
			"a daemon. Every fault is printed as file:line:column, and the exit code is 2 when there is one.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			// There is nothing to clean up, and a file that is a pipe may never end.
			signal.Reset(os.Interrupt, syscall.SIGTERM)
			cfg, _, err := fileSource(file).Load()
			if err != nil {
				return errors.Join(output.printFaults(c.OutOrStdout(), err), reportFaults(c.ErrOrStderr(), err))
			}
			if output.json() {
				return printJSON(c.OutOrStdout(), newPreview(cfg))
			}
			return newPreview(cfg).print(c.OutOrStdout())
		},
	}
	c.Flags().StringVar(&file, "config", DefaultConfig, "the configuration `file`")
	output.add(c)
	return c
}

// reportFaults prints each fault on a line of its own, for editors and scripts, and ends with code 2.
func reportFaults(stderr io.Writer, err error) error {
	var faults config.Faults
	if !errors.As(err, &faults) {
		return &cli.ExitError{Code: cli.ExitUsage, Err: err}
	}
	if _, err := fmt.Fprintln(stderr, faults.Error()); err != nil {
		return err
	}
	return &cli.ExitError{Code: cli.ExitUsage}
}

// faultsDocument is what `check -o json` prints of a faulty configuration.
type faultsDocument struct {
	Faults []faultDocument `json:"faults"`
}

type faultDocument struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
}

// printFaults prints the faults for programs, when JSON is asked for and err is made of faults.
func (f *outputFlag) printFaults(w io.Writer, err error) error {
	var faults config.Faults
	if !f.json() || !errors.As(err, &faults) {
		return nil
	}
	d := faultsDocument{Faults: make([]faultDocument, len(faults))}
	for i, fault := range faults {
		d.Faults[i] = faultDocument(fault)
	}
	return printJSON(w, d)
}

// preview is what run would set up, as `check -o json` prints it. Where status has the same, it has the
// same name.
type preview struct {
	Gateway    previewGateway     `json:"gateway"`
	Interfaces []previewInterface `json:"interfaces"`
	Extensions []previewExtension `json:"extensions"`
}

type previewGateway struct {
	Name     string          `json:"name"`
	Engine   string          `json:"engine"`
	Underlay previewUnderlay `json:"underlay"`
	Socket   string          `json:"socket"`
	Listen   string          `json:"listen"`
	TLS      string          `json:"tls"` // what is to be said of its files; empty: HTTP without TLS
	State    string          `json:"state"`
}

type previewUnderlay struct {
	Interfaces []string `json:"interfaces"`
	Address    string   `json:"address"` // empty: the uplink's only global one
	Port       uint16   `json:"port"`
	MTU        int      `json:"mtu"` // 0: the uplink's
}

type previewInterface struct {
	Name        string `json:"name"`
	Role        string `json:"role"`
	Passthrough bool   `json:"passthrough"`
}

type previewExtension struct {
	Name        string            `json:"name"`
	Description string            `json:"description"`
	Attachment  previewAttachment `json:"attachment"`
	Overlay     previewOverlay    `json:"overlay"`
	Guard       previewGuard      `json:"guard"`
}

type previewAttachment struct {
	Interface string `json:"interface"`
	VLAN      string `json:"vlan"`
	TPID      string `json:"tpid,omitempty"`
}

type previewOverlay struct {
	Encapsulation string       `json:"encapsulation"`
	VNI           uint32       `json:"vni"`
	Peers         []netip.Addr `json:"peers"`
}

type previewGuard struct {
	Profile  string `json:"profile"`
	Mode     string `json:"mode"`
	MACLimit uint32 `json:"mac_limit"`
}

func newPreview(c *config.Config) preview {
	g := &c.Gateway
	p := preview{
		Gateway: previewGateway{
			Name: string(g.Name), Engine: g.Engine, Socket: g.API.Socket, Listen: g.API.Listen, State: g.State,
			Underlay: previewUnderlay{Interfaces: g.Underlay.Interfaces, Port: g.Underlay.Port, MTU: g.Underlay.MTU},
		},
		Interfaces: previewInterfaces(c),
		Extensions: make([]previewExtension, len(c.Extensions)),
	}
	if g.API.TLS.IsSet() {
		p.Gateway.TLS = tlsText(api.TLSFiles(g.API.TLS), time.Now())
	}
	if g.Underlay.Address.IsValid() {
		p.Gateway.Underlay.Address = g.Underlay.Address.String()
	}
	for i := range c.Extensions {
		p.Extensions[i] = newPreviewExtension(&c.Extensions[i])
	}
	return p
}

func previewInterfaces(c *config.Config) []previewInterface {
	var out []previewInterface
	seen := map[string]bool{}
	for i := range c.Extensions {
		name := c.Extensions[i].Attachment.Interface
		if !seen[name] {
			seen[name] = true
			out = append(out, previewInterface{name, "customer", c.Interfaces[name].Passthrough})
		}
	}
	for _, name := range c.Gateway.Underlay.Interfaces {
		out = append(out, previewInterface{name, "underlay", false})
	}
	return out
}

func newPreviewExtension(e *config.Extension) previewExtension {
	p := previewExtension{
		Name: string(e.Name), Description: e.Description,
		Attachment: previewAttachment{Interface: e.Attachment.Interface, VLAN: e.Attachment.VLAN.String()},
		Overlay:    previewOverlay{e.Overlay.Encapsulation, uint32(e.Overlay.VNI), e.Overlay.Peers},
		Guard:      previewGuard{e.Guard.Profile.String(), e.Guard.Mode.String(), e.Guard.MACs.Limit},
	}
	if e.Attachment.VLAN.Depth() > 0 {
		p.Attachment.TPID = e.Attachment.VLAN.TPID().String()
	}
	return p
}

// print prints the preview for people.
func (p preview) print(w io.Writer) error {
	out := bufio.NewWriterSize(w, 64<<10)
	u := p.Gateway.Underlay
	fmt.Fprintf(out, "gateway %s, engine %s\n", p.Gateway.Name, p.Gateway.Engine)
	fmt.Fprintf(out, "underlay %s, address %s, port %d, MTU %s\n", strings.Join(u.Interfaces, ", "),
		orElse(u.Address, "the uplink's"), u.Port, orElse(mtuText(u.MTU), "the uplink's"))
	fmt.Fprintf(out, "socket %s, state %s\n", p.Gateway.Socket, p.Gateway.State)
	switch {
	case p.Gateway.TLS != "":
		fmt.Fprintf(out, "listen %s, TLS: %s\n", p.Gateway.Listen, p.Gateway.TLS)
	case p.Gateway.Listen != "":
		fmt.Fprintf(out, "listen %s, for reading, without authentication\n", p.Gateway.Listen)
	}
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "EXTENSION\tCIRCUIT\tVNI\tPEERS\tMACS\tGUARDS")
	for i := range p.Extensions {
		e := &p.Extensions[i]
		fmt.Fprintf(table, "%s\t%s:%s\t%d\t%s\t%d\t%s, %s\n", e.Name, e.Attachment.Interface, e.Attachment.VLAN,
			e.Overlay.VNI, peersText(e.Overlay.Peers), e.Guard.MACLimit, e.Guard.Profile, e.Guard.Mode)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// tlsText says whether TLS would work on this machine, and for how long.
func tlsText(files api.TLSFiles, now time.Time) string {
	_, until, err := files.Load()
	switch {
	case err != nil:
		return "not ready: " + err.Error()
	case now.After(until):
		return "not ready: the certificate was valid until " + until.UTC().Format(time.DateOnly)
	}
	return "the certificate is valid until " + until.UTC().Format(time.DateOnly)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func mtuText(mtu int) string {
	if mtu == 0 {
		return ""
	}
	return strconv.Itoa(mtu)
}

// peersText names a few peers, and counts more.
func peersText(peers []netip.Addr) string {
	const few = 4
	names := make([]string, 0, few)
	for _, p := range peers[:min(few, len(peers))] {
		names = append(names, p.String())
	}
	text := strings.Join(names, ", ")
	if len(peers) > few {
		text += fmt.Sprintf(" and %d more", len(peers)-few)
	}
	return text
}
