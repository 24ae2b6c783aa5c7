// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/drawbridge-l2/drawbridge/api"
)

// DefaultSocket is where the daemon listens when nothing else is configured.
const DefaultSocket = "/run/drawbridge/api.sock"

// SocketVariable names the environment variable that names another daemon's socket.
const SocketVariable = "DRAWBRIDGE_SOCKET"

// Commands are the commands that need a daemon, for the program's root command. They print no errors and
// no usage by themselves: see Report.
func Commands() []*cobra.Command {
	return []*cobra.Command{
		statusCommand(), macsCommand(), eventsCommand(), raiseCommand(), lowerCommand(), reloadCommand(), topCommand(),
		traceCommand(), recordCommand(), tuneCommand(),
	}
}

// options is what all commands take.
type options struct {
	socket string
	output string // text or json
}

const (
	outputText = "text"
	outputJSON = "json"
)

// prepare adds the common flags, and makes faults of the command line usage errors.
func prepare(c *cobra.Command, o *options) *cobra.Command {
	c.Flags().StringVar(&o.socket, "socket", defaultSocket(), "the daemon's socket; also "+SocketVariable)
	c.Flags().StringVarP(&o.output, "output", "o", outputText, "text or json")
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError(fmt.Errorf("%w: see `%s --help`", err, c.CommandPath()))
	})
	checkArgs := c.Args
	c.Args = func(c *cobra.Command, args []string) error {
		if err := checkArgs(c, args); err != nil {
			return usageError(fmt.Errorf("%w: see `%s --help`", err, c.CommandPath()))
		}
		if o.output != outputText && o.output != outputJSON {
			return usageError(fmt.Errorf("output %q is unknown: text or json is allowed", o.output))
		}
		return nil
	}
	run := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error { return advised(run(c, args)) }
	return c
}

// advised says what to do about errors of the daemon that do not say it themselves, and gives faults of the
// configuration and of what was typed their exit code: what else is in a request is made here.
func advised(err error) error {
	var refused *api.Problem
	switch {
	case errors.Is(err, api.ErrNotFound):
		return fmt.Errorf("%w: `drawbridge status` lists those that there are", err)
	case errors.Is(err, api.ErrFaulty):
		return usageError(err)
	case !errors.As(err, &refused):
		return err
	case refused.Status == http.StatusBadRequest, refused.Status == http.StatusUnprocessableEntity:
		return usageError(err)
	}
	return err
}

func defaultSocket() string {
	if s := os.Getenv(SocketVariable); s != "" {
		return s
	}
	return DefaultSocket
}

func (o *options) json() bool { return o.output == outputJSON }

func (o *options) client() *api.Client { return api.NewClient(o.socket) }

// completeExtensions proposes the running extensions' names to the shell.
func (o *options) completeExtensions(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	st, err := o.client().Status(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names := make([]string, 0, len(st.Extensions))
	for _, e := range st.Extensions {
		name := e.Name
		if e.Description != "" {
			name = cobra.CompletionWithDesc(name, clean(e.Description))
		}
		names = append(names, name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// argument is the only argument, or empty.
func argument(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
