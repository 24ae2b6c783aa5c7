// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// printJSON prints a document for people and programs: indented, with a newline.
func printJSON(w io.Writer, v any) error {
	out := bufio.NewWriterSize(w, 64<<10)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return flushed(out)
}

func flushed(out *bufio.Writer) error {
	if err := out.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// printDocument prints a JSON document of the daemon as printJSON would, without decoding it.
func printDocument(w io.Writer, document []byte) error {
	if _, err := w.Write(indent(document)); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}
