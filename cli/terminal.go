// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"io"
	"os"
)

// colour is an SGR parameter (ECMA-48 §8.3.117). The zero value leaves the text as it is.
type colour string

const (
	none    colour = ""
	bold    colour = "1"
	reverse colour = "7"
	red     colour = "31"
	green   colour = "32"
	yellow  colour = "33"
)

// palette paints, or does not. The zero value does not.
type palette struct{ on bool }

// paletteFor paints on a terminal, unless NO_COLOR is set (no-color.org) or the terminal is dumb.
func paletteFor(w io.Writer) palette {
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return palette{}
	}
	f, ok := w.(*os.File)
	if !ok {
		return palette{}
	}
	return palette{on: isTerminal(f)}
}

func (p palette) paint(text string, c colour) string {
	if !p.on || c == none || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}
