// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/drawbridge-l2/drawbridge/api"
)

func statusCommand() *cobra.Command {
	var o options
	return prepare(&cobra.Command{
		Use:   "status [EXT]",
		Short: "Show the gateway and its extensions, or one in detail",
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
	client := o.client()
	defer client.Close()
	show := showTable
	switch {
	case o.json():
		show = showDocument
	case ext != "":
		show = showExtension
	}
	lowered, err := show(ctx, w, client, ext)
	if err == nil && !lowered {
		err = &ExitError{Code: ExitNotLowered}
	}
	return err
}

// showDocument passes the daemon's document on: thousands of extensions would take longer to decode and to
// encode again than the daemon takes to answer.
func showDocument(ctx context.Context, w io.Writer, client *api.Client, ext string) (lowered bool, err error) {
	document, lowered, err := client.RawStatus(ctx, ext)
	if err != nil {
		return false, err
	}
	return lowered, printDocument(w, document)
}

func showExtension(ctx context.Context, w io.Writer, client *api.Client, ext string) (lowered bool, err error) {
	st, err := client.StatusOf(ctx, ext)
	if err != nil {
		return false, err
	}
	out, p := bufio.NewWriterSize(w, 64<<10), paletteFor(w)
	lowered = true
	for _, e := range st.Extensions {
		writeExtension(out, e, p, time.Now())
		lowered = lowered && e.Bridge == api.BridgeLowered
	}
	return lowered, flushed(out)
}

func showTable(ctx context.Context, w io.Writer, client *api.Client, _ string) (lowered bool, err error) {
	t, err := client.Table(ctx)
	if err != nil {
		return false, err
	}
	out := bufio.NewWriterSize(w, 64<<10)
	writeStatus(out, t, paletteFor(w), time.Now())
	other := slices.ContainsFunc(t.Extensions.Bridge, func(bridge string) bool { return bridge != api.BridgeLowered })
	return !other, flushed(out)
}
