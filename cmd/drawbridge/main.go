// SPDX-License-Identifier: Apache-2.0

// Command drawbridge joins customers' layer-2 circuits to overlay segments, and is drawn up when they
// misbehave.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/drawbridge-l2/drawbridge/cli"
	"github.com/drawbridge-l2/drawbridge/daemon"
	"github.com/spf13/cobra"
)

func main() { os.Exit(run()) }

// run executes the command line and returns the exit code.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	daemon.HurryMemory() // run takes that back
	return cli.Report(root().ExecuteContext(ctx), os.Stderr)
}

// root is the program's command, which does nothing by itself.
func root() *cobra.Command {
	c := &cobra.Command{
		Use:           "drawbridge",
		Short:         "A layer-2 gateway between customers' circuits and overlay segments",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			return usageError(unknownCommand(c, args[0]))
		},
	}
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return usageError(fmt.Errorf("%w: see `drawbridge --help`", err))
	})
	c.AddCommand(daemon.Commands()...)
	c.AddCommand(cli.Commands()...)
	c.AddCommand(manualCommand(c))
	c.SetHelpCommand(helpCommand(c))
	return c
}

// helpCommand is cobra's, but an unknown command is a fault here too.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		RunE: func(_ *cobra.Command, args []string) error {
			c, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usageError(unknownCommand(root, strings.Join(args, " ")))
			}
			c.InitDefaultHelpFlag()
			return c.Help()
		},
	}
}

func unknownCommand(root *cobra.Command, name string) error {
	root.SuggestionsMinimumDistance = 2 // cobra's default, which it sets only for its own answer
	if near := root.SuggestionsFor(name); len(near) > 0 {
		return fmt.Errorf("command %q is unknown, did you mean %s?: see `drawbridge --help`", name, near[0])
	}
	return fmt.Errorf("command %q is unknown: see `drawbridge --help`", name)
}

func usageError(err error) error { return &cli.ExitError{Code: cli.ExitUsage, Err: err} }
