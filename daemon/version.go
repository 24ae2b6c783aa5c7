// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"cmp"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Version and Commit are set by the linker; without that the build information of Go stands in.
var (
	Version string
	Commit  string
)

// build is what `version -o json` prints.
type build struct {
	Version       string `json:"version"`
	Commit        string `json:"commit"`
	BPFObjectHash string `json:"bpf_object_hash"`
}

func thisBuild() build {
	b := build{Version: Version, Commit: Commit, BPFObjectHash: objectHash()}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.Version = cmp.Or(b.Version, info.Main.Version)
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Commit = cmp.Or(b.Commit, s.Value)
			}
		}
	}
	b.Version, b.Commit = cmp.Or(b.Version, "devel"), cmp.Or(b.Commit, "unknown")
	return b
}

func versionCommand() *cobra.Command {
	var output outputFlag
	c := &cobra.Command{
		Use:   "version",
		Short: "Print version, commit and the hash of the BPF objects",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			b := thisBuild()
			if output.json() {
				return printJSON(c.OutOrStdout(), b)
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "drawbridge %s\ncommit %s\nBPF objects %s\n", b.Version, b.Commit, b.BPFObjectHash)
			return err
		},
	}
	output.add(c)
	return c
}
