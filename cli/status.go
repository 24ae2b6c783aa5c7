// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/drawbridge-l2/drawbridge/api"
)

func statusCommand() *cobra.Command {
	var o options
	return prepare(&cobra.Command{
		Use:   "status [EXT]",
		Short: "show the gateway and its extensions, or one in detail",
		Long: "Show the gateway and its extensions, or one extension in detail.\n\n" +
			"Exit code: 0 when all bridges shown are lowered, 3 when one is not, 1 when there is no daemon.",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: o.completeExtensions,
		RunE: func(c *cobra.Command, args []string) error {
			return showStatus(c.Context(), c.OutOrStdout(), &o, argument(args))
		},
	}, &o)
}

// showStatus prints the status; a bridge that is not lowered makes the exit code.
func showStatus(ctx context.Context, w io.Writer, o *options, ext string) error {
	st, err := readStatus(ctx, o.client(), ext)
	if err != nil {
		return err
	}
	if o.json() {
		err = printJSON(w, st)
	} else {
		err = printStatus(w, st, ext != "")
	}
	if err != nil {
		return err
	}
	if !allLowered(st) {
		return &ExitError{Code: ExitNotLowered}
	}
	return nil
}

func readStatus(ctx context.Context, client *api.Client, ext string) (api.Status, error) {
	defer client.Close()
	if ext != "" {
		return client.StatusOf(ctx, ext)
	}
	return client.Status(ctx)
}

func allLowered(st api.Status) bool {
	for _, e := range st.Extensions {
		if e.Bridge != api.BridgeLowered {
			return false
		}
	}
	return true
}

func printStatus(w io.Writer, st api.Status, detailed bool) error {
	out := bufio.NewWriterSize(w, 64<<10)
	p := paletteFor(w)
	if detailed {
		for _, e := range st.Extensions {
			writeExtension(out, e, p, time.Now())
		}
	} else {
		writeStatus(out, st, p, time.Now())
	}
	return flushed(out)
}
