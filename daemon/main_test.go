// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/drawbridge-l2/drawbridge/cli"
	"github.com/drawbridge-l2/drawbridge/lab"
	"github.com/spf13/cobra"
)

const (
	// prefix starts the names of all namespaces that these tests make.
	prefix = "dbdaemontest"
	// asProgram in the environment makes the test binary the program.
	asProgram = "DRAWBRIDGE_TEST_AS_PROGRAM"
)

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(program())
	}
	os.Exit(tests(m))
}

// program does what cmd/drawbridge does.
func program() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{Use: "drawbridge", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(Commands()...)
	root.AddCommand(cli.Commands()...)
	return cli.Report(root.ExecuteContext(ctx), os.Stderr)
}

func tests(m *testing.M) int {
	defer lab.CloseOnSignal()()
	if os.Geteuid() == 0 {
		if err := lab.Sweep(prefix); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}
