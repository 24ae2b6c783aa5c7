// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"strings"

	"github.com/drawbridge-l2/drawbridge/event"
)

// fault logs an error of something that is tried again and again: once when it begins or changes, and
// once when it is over. Subject names what is tried.
func (g *Gateway) fault(subject string, err error, kind event.Kind) {
	was, wrong := g.faults[subject]
	switch {
	case err == nil && wrong:
		delete(g.faults, subject)
		g.log.Append(event.Record{Kind: kind, Severity: event.Info, Message: "no longer: " + was})
	case err != nil && err.Error() != was:
		g.faults[subject] = err.Error()
		g.log.Append(event.Record{Kind: kind, Severity: event.Error, Message: err.Error()})
	}
}

// diskFault logs that the state directory does not take writes. The data plane goes on meanwhile.
func (g *Gateway) diskFault(err error) {
	if err != nil {
		err = fmt.Errorf("%w; forwarding goes on, a restart may miss what was not written", err)
	}
	g.fault("disk", err, event.Hint)
}

// faultsLogged bounds the faults of one configuration in the event log; who asked for the change gets all.
const faultsLogged = 50

// ConfigErrorRecord is the record of a configuration that was refused: the first fault as its message,
// and more of them, one a line of the error, in its detail.
func ConfigErrorRecord(what string, err error) event.Record {
	faults := strings.Split(err.Error(), "\n")
	message := what + ": " + faults[0]
	if more := len(faults) - 1; more > 0 {
		message += fmt.Sprintf(" (and %d more)", more)
	}
	return event.Record{
		Kind:     event.ConfigError,
		Severity: event.Error,
		Message:  message,
		Detail:   map[string]any{"count": len(faults), "faults": faults[:min(len(faults), faultsLogged)]},
	}
}
