// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"io"

	"github.com/spf13/cobra"

	"github.com/drawbridge-l2/drawbridge/api"
)

func macsCommand() *cobra.Command {
	var o options
	return prepare(&cobra.Command{
		Use:               "macs [EXT]",
		Short:             "List the FDB: where each MAC is",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: o.completeExtensions,
		RunE: func(c *cobra.Command, args []string) error {
			client := o.client()
			defer client.Close()
			macs, err := client.MACs(c.Context(), argument(args))
			if err != nil {
				return err
			}
			if o.json() {
				return printJSON(c.OutOrStdout(), macs)
			}
			return printMACs(c.OutOrStdout(), macs)
		},
	}, &o)
}

func printMACs(w io.Writer, macs []api.MAC) error {
	t := &table{columns: []column{
		{name: "EXTENSION"}, {name: "MAC"}, {name: "SIDE"}, {name: "VTEP"}, {name: "AGE", right: true},
		{name: "MOVES", right: true}, {name: "STATIC"}, {name: "FROZEN"},
	}}
	for _, m := range macs {
		frozen := plain(yes(m.Frozen))
		if m.Frozen {
			frozen.colour = yellow
		}
		vtep := clean(m.VTEP)
		if vtep == "" {
			vtep = "-"
		}
		t.add(plain(clean(m.Extension)), plain(clean(m.MAC)), plain(clean(m.Side)), plain(vtep), plain(age(seconds(m.AgeSeconds))),
			plain(number(m.Moves)), plain(yes(m.Static)), frozen)
	}
	out := bufio.NewWriterSize(w, 64<<10)
	t.write(out, paletteFor(w))
	return flushed(out)
}
