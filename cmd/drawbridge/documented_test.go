// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestEveryCommandIsDocumented: the reference names each command and each flag that is not common to all.
func TestEveryCommandIsDocumented(t *testing.T) {
	page := pages(t)["reference/commands.md"]
	common := []string{"help", "output", "socket"}
	for _, c := range documented(root()) {
		if !strings.Contains(page, "`"+c.Name()) {
			t.Errorf("docs/reference/commands.md does not name %s", c.Name())
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			for _, name := range common {
				if f.Name == name {
					return
				}
			}
			if !f.Hidden && !strings.Contains(page, "--"+f.Name) && !strings.Contains(page, "`-"+f.Shorthand+"`") {
				t.Errorf("docs/reference/commands.md does not name --%s of %s", f.Name, c.Name())
			}
		})
	}
}
