// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/drawbridge-l2/drawbridge/api"
)

func eventsCommand() *cobra.Command {
	var o options
	var follow bool
	c := prepare(&cobra.Command{
		Use:   "events [-f]",
		Short: "Print the event log, and with -f what comes to it",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return showEvents(c.Context(), c.OutOrStdout(), c.ErrOrStderr(), &o, follow)
		},
	}, &o)
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on until interrupted, also over restarts of the daemon")
	return c
}

func showEvents(ctx context.Context, w, notes io.Writer, o *options, follow bool) error {
	client := o.client()
	defer client.Close()
	take := textPrinter(w)
	if o.json() {
		take = linePrinter(w)
	}
	if !follow {
		return client.Events(ctx, 0, take)
	}
	ctx, cancel := whileRead(ctx, w)
	defer cancel()
	return client.Follow(ctx, 0, take, func(note string) { fmt.Fprintf(notes, "drawbridge: %s\n", clean(note)) })
}

// linePrinter prints records as one JSON object a line.
func linePrinter(w io.Writer) func(api.Event) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return func(rec api.Event) error {
		if err := enc.Encode(rec); err != nil {
			return fmt.Errorf("print: %w", err)
		}
		return nil
	}
}

// textPrinter prints records as time, severity, extension, kind and message.
func textPrinter(w io.Writer) func(api.Event) error {
	p := paletteFor(w)
	return func(rec api.Event) error {
		extension := clean(rec.Extension)
		if extension == "" {
			extension = "-"
		}
		severity := clean(string(rec.Severity))
		// Padded before painting: escape sequences have no width.
		_, err := fmt.Fprintf(w, "%s  %s  %-12s  %-12s  %s\n", rec.Time.UTC().Format(time.RFC3339),
			p.paint(fmt.Sprintf("%-7s", severity), severityColour(severity)), extension, clean(string(rec.Kind)), clean(rec.Message))
		if err != nil {
			return fmt.Errorf("print: %w", err)
		}
		return nil
	}
}

func severityColour(severity string) colour {
	switch severity {
	case "error":
		return red
	case "warning":
		return yellow
	}
	return none
}
