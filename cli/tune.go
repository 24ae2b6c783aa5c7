// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/drawbridge-l2/drawbridge/api"
	"github.com/drawbridge-l2/drawbridge/core/tune"
)

// tuneOptions are the flags of tune.
type tuneOptions struct {
	options
	length time.Duration
}

const (
	tuneLongest = 31 * 24 * time.Hour
	// tuneFlight is how often the flight recorder is read: it keeps 32 frames, so up to 320 a second are all seen.
	tuneFlight = 100 * time.Millisecond
	// tuneCounters is how often counters are read.
	tuneCounters = time.Second
)

func tuneCommand() *cobra.Command {
	var o tuneOptions
	c := prepare(&cobra.Command{
		Use:   "tune EXT [--for 24h]",
		Short: "Watch an extension and propose numbers for its guards as YAML, with the evidence",
		Long: `Watches an extension, best while its guards only observe, and proposes numbers from what it saw: how often each class
flooded, how many MACs there were, who served whom. Ctrl-C ends it early. It changes nothing: the proposal is YAML to read,
to correct and to put into the configuration.`,
		Example:           "  drawbridge tune acme --for 24h > acme-guard.yaml",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: o.completeExtensions,
		RunE: func(c *cobra.Command, args []string) error {
			if o.length < time.Second || o.length > tuneLongest {
				return usageError(fmt.Errorf("--for is %s: 1s to %s is allowed", o.length, tuneLongest))
			}
			return tuneExtension(c.Context(), c.OutOrStdout(), c.ErrOrStderr(), args[0], &o)
		},
	}, &o.options)
	c.Flags().DurationVar(&o.length, "for", 24*time.Hour, "how long to watch, such as 90m or 24h")
	return c
}

func tuneExtension(ctx context.Context, w, notes io.Writer, ext string, o *tuneOptions) error {
	client := o.client()
	defer client.Close()
	t := &tuner{client: client, ext: ext, notes: notes, watch: tune.New(time.Now())}
	if err := t.read(ctx, true); err != nil {
		return err
	}
	fmt.Fprintf(notes, "drawbridge: watching %s for %s; Ctrl-C ends it early, and the proposal is made of what was seen\n", clean(ext), o.length)
	ctx, cancel := context.WithTimeout(ctx, o.length)
	defer cancel()
	t.run(ctx)
	p := t.watch.Proposal()
	if o.json() {
		return printJSON(w, proposalOf(ext, &p))
	}
	if _, err := io.WriteString(w, p.YAML(clean(ext))); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// tuner reads what a tune.Watch wants to know.
type tuner struct {
	client  *api.Client
	ext     string
	notes   io.Writer
	watch   *tune.Watch
	missing bool // the daemon's absence was noted
}

// run reads until ctx ends. A daemon that is restarted is waited for: the kernel goes on counting.
func (t *tuner) run(ctx context.Context) {
	tick := time.NewTicker(tuneFlight)
	defer tick.Stop()
	next := time.Now().Add(tuneCounters)
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			counters := !now.Before(next)
			if counters {
				next = now.Add(tuneCounters)
			}
			err := t.read(ctx, counters)
			if err != nil && ctx.Err() == nil && !t.missing {
				fmt.Fprintf(t.notes, "drawbridge: %s; going on when it answers again\n", clean(err.Error()))
			}
			t.missing = err != nil
		}
	}
}

func (t *tuner) read(ctx context.Context, counters bool) error {
	f, err := t.client.Flight(ctx, t.ext)
	if err != nil {
		return err
	}
	flight, err := flightOf(&f)
	if err != nil {
		return err
	}
	t.watch.Flight(time.Now(), flight)
	if !counters {
		return nil
	}
	st, err := t.client.StatusOf(ctx, t.ext)
	if err != nil {
		return err
	}
	for i := range st.Extensions {
		if e := &st.Extensions[i]; e.Name == t.ext {
			t.watch.Counters(time.Now(), tune.Counters{
				Customer: e.MACs.Customer, Cloud: e.MACs.Cloud, Limit: e.MACs.Limit,
				ToCloud:    []map[string]uint64{e.ToCloud.Drops, e.ToCloud.WouldDrop},
				ToCustomer: []map[string]uint64{e.ToCustomer.Drops, e.ToCustomer.WouldDrop},
			})
		}
	}
	return nil
}

func flightOf(f *api.Flight) (tune.Flight, error) {
	out := tune.Flight{Mode: f.Mode, Taken: f.Taken}
	for i := range f.Frames {
		one := &f.Frames[i]
		b, err := hex.DecodeString(one.Hex)
		if err != nil {
			return out, fmt.Errorf("read the flight recorder's frame: %w", err)
		}
		out.Frames = append(out.Frames, tune.Frame{
			At: one.Time, ToCustomer: one.To == "customer", Reason: one.Reason, WouldDrop: one.WouldDrop, Size: one.Size, Bytes: b,
		})
	}
	return out, nil
}

// tuneDocument is a proposal as JSON.
type tuneDocument struct {
	Extension string     `json:"extension"`
	From      time.Time  `json:"from"`
	To        time.Time  `json:"to"`
	Seconds   int        `json:"seconds"`
	Mode      string     `json:"mode"`
	Margin    int        `json:"margin"`
	Notes     []string   `json:"notes"`
	Lines     []tuneLine `json:"lines"`
}

type tuneLine struct {
	Key      []string `json:"key"` // below extensions.EXT.guard
	Value    string   `json:"value"`
	Evidence string   `json:"evidence"`
	Advice   bool     `json:"advice"` // for people to decide
}

func proposalOf(ext string, p *tune.Proposal) tuneDocument {
	d := tuneDocument{
		Extension: ext, From: p.From.UTC(), To: p.To.UTC(), Seconds: p.Seconds, Mode: p.Mode, Margin: tune.Margin,
		Notes: append([]string{}, p.Notes...), Lines: []tuneLine{},
	}
	for _, l := range p.Lines {
		d.Lines = append(d.Lines, tuneLine(l))
	}
	return d
}
