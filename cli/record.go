// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/drawbridge-l2/drawbridge/api"
	"github.com/drawbridge-l2/drawbridge/pcapng"
)

// recordOptions are the flags of record.
type recordOptions struct {
	options
	file   string
	choice api.Recording
}

func recordCommand() *cobra.Command {
	var o recordOptions
	c := prepare(&cobra.Command{
		Use:   "record EXT [-w FILE]",
		Short: "Capture an extension's frames as pcapng, each with its verdict as a comment",
		Long: `Captures live until interrupted, and writes to FILE, or to standard output when that is no terminal. Each frame is cut to
its first 512 bytes and has its verdict as a comment; the circuit's tags are not in it.`,
		Example: `  drawbridge record acme -w acme.pcapng
  drawbridge record acme --dropped | tshark -r -`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: o.completeExtensions,
		RunE: func(c *cobra.Command, args []string) error {
			if o.choice.To != "" && o.choice.To != "cloud" && o.choice.To != "customer" {
				return usageError(fmt.Errorf("--to is %q: cloud or customer is allowed", o.choice.To))
			}
			if f, is := c.OutOrStdout().(*os.File); is && o.file == "" && isTerminal(f) {
				return usageError(errors.New("a capture is nothing for a terminal: name a file with -w, or lead the output somewhere"))
			}
			return recordFrames(c.Context(), c.OutOrStdout(), c.ErrOrStderr(), args[0], &o)
		},
	}, &o.options)
	c.Flags().StringVarP(&o.file, "write", "w", "", "the file; - is standard output")
	c.Flags().BoolVar(&o.choice.Dropped, "dropped", false, "only frames that are dropped, or that mode observe would drop")
	c.Flags().StringVar(&o.choice.To, "to", "", "only frames to cloud or customer")
	return c
}

func recordFrames(ctx context.Context, w, notes io.Writer, ext string, o *recordOptions) (err error) {
	client := o.client()
	defer client.Close()
	if _, err := client.StatusOf(ctx, ext); err != nil {
		return err // before a file is made
	}
	if o.toFile() {
		f, err := createPrivate(o.file)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		if o.json() {
			notes = w // which the capture does not need
		}
		w = f
	}
	var n recorded
	err = client.Record(ctx, ext, o.choice, func(block []byte) error {
		n.see(block)
		if _, err := w.Write(block); err != nil {
			return fmt.Errorf("write the capture: %w", err)
		}
		return nil
	})
	ended := errors.Is(err, api.ErrRecordingEnded)
	if n.packets > 0 || err == nil || ended {
		n.tell(notes, o)
	}
	if ended {
		return fmt.Errorf("%w; what came until then is whole in %s", err, o.where())
	}
	return err
}

// where is what the capture goes to.
func (o *recordOptions) where() string {
	if o.toFile() {
		return o.file
	}
	return "the output"
}

func (o *recordOptions) toFile() bool { return o.file != "" && o.file != "-" }

// createPrivate makes a file that only its owner may read, whoever could read it before.
func createPrivate(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create capture: %w", err)
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm() != 0o600 {
		if err := f.Chmod(0o600); err != nil {
			return nil, errors.Join(fmt.Errorf("create capture: %w", err), f.Close())
		}
	}
	return f, nil
}

// recorded counts what a recording has.
type recorded struct{ packets, lost uint64 }

func (n *recorded) see(block []byte) {
	if pcapng.IsPacket(block) {
		n.packets++
	}
	if _, lost, ok := pcapng.StatisticsOf(block); ok {
		n.lost = lost
	}
}

func (n *recorded) tell(notes io.Writer, o *recordOptions) {
	if o.json() {
		fmt.Fprintf(notes, "{\"recorded\": %d, \"lost\": %d}\n", n.packets, n.lost)
		return
	}
	fmt.Fprintf(notes, "drawbridge: %d frames recorded, %d lost\n", n.packets, n.lost)
}
