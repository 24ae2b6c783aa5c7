// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/drawbridge-l2/drawbridge/api"
)

func raiseCommand() *cobra.Command {
	var o options
	var reason string
	c := prepare(&cobra.Command{
		Use:               "raise EXT [--reason R]",
		Short:             "Draw the bridge of an extension up: nothing flows until it is lowered",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: o.completeExtensions,
		RunE: func(c *cobra.Command, args []string) error {
			return change(c, &o, done{Extension: args[0], Done: "raised"}, func(ctx context.Context, client *api.Client) error {
				return client.Raise(ctx, args[0], reason)
			})
		},
	}, &o)
	c.Flags().StringVar(&reason, "reason", "", "why, for the status and the event log")
	return c
}

func lowerCommand() *cobra.Command {
	var o options
	return prepare(&cobra.Command{
		Use:               "lower EXT",
		Short:             "Let the bridge of an extension down",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: o.completeExtensions,
		RunE: func(c *cobra.Command, args []string) error {
			return change(c, &o, done{Extension: args[0], Done: "lowered"}, func(ctx context.Context, client *api.Client) error {
				return client.Lower(ctx, args[0])
			})
		},
	}, &o)
}

func reloadCommand() *cobra.Command {
	var o options
	return prepare(&cobra.Command{
		Use:   "reload",
		Short: "Make the daemon read its configuration file again",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return change(c, &o, done{Done: "reloaded"}, func(ctx context.Context, client *api.Client) error {
				return client.Reload(ctx)
			})
		},
	}, &o)
}

// done is what a change prints when it is done.
type done struct {
	Extension string `json:"extension,omitempty"`
	Done      string `json:"done"`
}

func change(c *cobra.Command, o *options, what done, do func(context.Context, *api.Client) error) error {
	client := o.client()
	defer client.Close()
	if err := do(c.Context(), client); err != nil {
		return err
	}
	if o.json() {
		return printJSON(c.OutOrStdout(), what)
	}
	return printDone(c.OutOrStdout(), what)
}

func printDone(w io.Writer, what done) error {
	line := what.Done
	if what.Extension != "" {
		line = clean(what.Extension) + " " + what.Done
	}
	if _, err := fmt.Fprintln(w, line); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}
