// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// A refused change is one line that says who asked: it is no fault of the daemon's, and why a configuration
// was refused is in the event log already.
func TestRefusedChangesAreLoggedShortly(t *testing.T) {
	for _, c := range []struct {
		path string
		err  error
		want string
	}{
		{"/v1/reload", fmt.Errorf("%w:\nf.yaml:1:1: one\nf.yaml:2:1: two", ErrFaulty), `msg="reload refused" uid=0 pid=0`},
		{"/v1/reload", nil, `msg=reload uid=0 pid=0`},
		{"/v1/extensions/nobody/raise", nil, `msg="raise refused" uid=0 pid=0 extension=nobody error="no such extension"`},
	} {
		var log bytes.Buffer
		gw, opts := newFake(), testOptions()
		gw.err = c.err
		opts.Log = slog.New(slog.NewTextHandler(&log, nil))
		socket, stop := start(t, gw, opts)
		ask(t, socket, "POST", c.path, "", "")
		stop()
		_, got, _ := strings.Cut(log.String(), "level=")
		if got != "INFO "+c.want+"\n" {
			t.Errorf("POST %s: logged %q, want %q", c.path, got, c.want)
		}
	}
}
