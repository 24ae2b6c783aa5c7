// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/drawbridge-l2/drawbridge/cli"
	"github.com/spf13/cobra"
)

// Commands are the commands that work without a daemon, run among them.
func Commands() []*cobra.Command {
	all := []*cobra.Command{runCommand(), checkCommand(), demoCommand(), doctorCommand(), uninstallCommand(), versionCommand()}
	for _, c := range all {
		checkUsage(c)
	}
	return all
}

// checkUsage makes faults of the command line usage errors, which end with code 2.
func checkUsage(c *cobra.Command) {
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usageError(c, err) })
	check := c.Args
	c.Args = func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usageError(c, err)
		}
		return nil
	}
}

func usageError(c *cobra.Command, err error) error {
	return &cli.ExitError{Code: cli.ExitUsage, Err: fmt.Errorf("%w: see `%s --help`", err, c.CommandPath())}
}

// outputFlag is -o: text or json.
type outputFlag string

func (f *outputFlag) add(c *cobra.Command) {
	*f = "text"
	c.Flags().VarP(f, "output", "o", "text or json")
}

func (f *outputFlag) json() bool { return *f == "json" }

// Set takes the flag's value.
func (f *outputFlag) Set(s string) error {
	if s != "text" && s != "json" {
		return fmt.Errorf("output %q is unknown: text or json is allowed", s)
	}
	*f = outputFlag(s)
	return nil
}

// String is the flag's value.
func (f *outputFlag) String() string { return string(*f) }

// Type names the flag's values in help.
func (f *outputFlag) Type() string { return "text|json" }

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}
