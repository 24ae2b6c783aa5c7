// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/drawbridge-l2/drawbridge/cli"
	"github.com/drawbridge-l2/drawbridge/host"
	"github.com/drawbridge-l2/drawbridge/lab"
	"github.com/spf13/cobra"
)

// demoPrefix starts the names of the demo's namespaces; its process ID follows.
const demoPrefix = "dbdemo"

// exitInterrupted is the exit code of a demo that was stopped: 128 + SIGINT, as shells have it.
const exitInterrupted = 130

// errInterrupted ends the story between two checks.
var errInterrupted = errors.New("interrupted")

// demoOptions is what `demo` takes.
type demoOptions struct {
	engine engineFlag
	output outputFlag
	keep   bool
}

func demoCommand() *cobra.Command {
	o := demoOptions{engine: "auto"}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show a customer, a gateway and a cloud at work, in network namespaces",
		Long: "Build a customer's site, a gateway and a cloud with two hypervisors in network namespaces, send traffic,\n" +
			"make trouble, and show what came of it. Every line is a check: one that fails says what was expected, and\n" +
			"the exit code is 1. Everything is removed at the end, also on Ctrl-C. The machine's own network is not\n" +
			"touched. Needs root, and dnsmasq for the DHCP lease.",
		Example: "  sudo drawbridge demo\n  sudo drawbridge demo --engine xdp\n  sudo drawbridge demo --keep",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().Var(&o.engine, "engine", "auto, xdp or tc")
	c.Flags().BoolVar(&o.keep, "keep", false, "keep everything until Ctrl-C, and say how to look into it")
	o.output.add(c)
	return c
}

// engineFlag is --engine: auto, xdp or tc.
type engineFlag string

// Set takes the flag's value.
func (f *engineFlag) Set(s string) error {
	if s != "auto" && s != "xdp" && s != "tc" {
		return fmt.Errorf("engine %q is unknown: auto, xdp or tc is allowed", s)
	}
	*f = engineFlag(s)
	return nil
}

// String is the flag's value.
func (f *engineFlag) String() string { return string(*f) }

// Type names the flag's values in help.
func (f *engineFlag) Type() string { return "auto|xdp|tc" }

// run shows the demo. Signals end it between two checks, and a second one does not disturb the clean-up.
// SIGPIPE is among them: `demo | head` must not leave namespaces behind.
func (o *demoOptions) run(ctx context.Context, stdout, stderr io.Writer) error {
	if err := demoNeeds(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	defer stop()
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if err := lab.Sweep(demoPrefix); err != nil { // what a killed demo left
		return err
	}
	d := &demo{ctx: ctx, tell: newTeller(stdout, o.output.json()), engine: string(o.engine), binary: self}
	err = d.play(o.keep, stderr)
	if o.output.json() {
		err = errors.Join(err, printJSON(stdout, newDemoReport(d)))
	}
	return d.conclude(err)
}

// conclude says how it ended.
func (d *demo) conclude(err error) error {
	switch {
	case err == nil:
		d.tell.line("All checks passed in %.1f s%s.", d.took.Seconds(), d.tell.skipped())
		return nil
	case errors.Is(err, errInterrupted) && d.tell.step().OK: // the last step is the clean-up
		return &cli.ExitError{Code: exitInterrupted, Err: errors.New("interrupted; everything was removed")}
	case errors.Is(err, errInterrupted):
		return &cli.ExitError{Code: exitInterrupted, Err: err}
	}
	return err
}

// demoNeeds says what this machine lacks. Programs are looked for where root's PATH may not lead.
func demoNeeds() error {
	missing := host.Requirements()
	if err := os.Setenv("PATH", cmp.Or(os.Getenv("PATH"), "/usr/bin:/bin")+":/usr/sbin:/sbin"); err != nil {
		return err
	}
	if _, err := exec.LookPath("nsenter"); err != nil {
		missing = append(missing, errors.New("nsenter is not installed: it is in the package util-linux"))
	}
	if len(missing) > 0 {
		return fmt.Errorf("the demo cannot run here: %w", errors.Join(missing...))
	}
	return nil
}
