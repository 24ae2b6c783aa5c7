// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Result is what a command of the drawbridge binary did.
type Result struct {
	Stdout, Stderr string
	Code           int // the exit status; -1 when it did not run to its end
}

// commandLimit is the longest that a command may take.
const commandLimit = 60 * time.Second

// Run runs a command of the binary in the gateway's namespace, against this daemon.
func (d *Daemon) Run(args ...string) Result {
	cmd := d.gateway.Command(d.Binary, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append(os.Environ(), "DRAWBRIDGE_SOCKET="+d.Socket(), "NO_COLOR=1")
	if err := cmd.Start(); err != nil {
		return Result{Stderr: err.Error(), Code: -1}
	}
	timer := time.AfterFunc(commandLimit, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	code := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		code = -1
	}
	return Result{Stdout: stdout.String(), Stderr: stderr.String(), Code: code}
}

// Check runs `check` on the configuration file.
func (d *Daemon) Check() Result { return d.Run("check", "--config", d.ConfigFile()) }

// Reload has the daemon take the configuration file.
func (d *Daemon) Reload() error {
	if r := d.Run("reload"); r.Code != 0 {
		return fmt.Errorf("reload: status %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	return nil
}

// Reconfigure writes a configuration and has the daemon take it.
func (d *Daemon) Reconfigure(c GatewayConfig) error {
	if err := d.Configure(c); err != nil {
		return err
	}
	return d.Reload()
}

// Status reads `status -o json`.
func (d *Daemon) Status() (*Status, error) {
	r := d.Run("status", "-o", "json")
	if r.Code != 0 && r.Code != 3 { // 3: not every bridge is lowered
		return nil, fmt.Errorf("status: status %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	var s Status
	if err := json.Unmarshal([]byte(r.Stdout), &s); err != nil {
		return nil, fmt.Errorf("status: %w: %s", err, r.Stdout)
	}
	return &s, nil
}

// MACs reads `macs -o json` of one extension.
func (d *Daemon) MACs(extension string) ([]MACEntry, error) {
	r := d.Run("macs", extension, "-o", "json")
	if r.Code != 0 {
		return nil, fmt.Errorf("macs: status %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	var entries []MACEntry
	if err := json.Unmarshal([]byte(r.Stdout), &entries); err != nil {
		return nil, fmt.Errorf("macs: %w: %s", err, r.Stdout)
	}
	return entries, nil
}

// Events reads `events -o json`.
func (d *Daemon) Events() ([]Event, error) {
	r := d.Run("events", "-o", "json")
	if r.Code != 0 {
		return nil, fmt.Errorf("events: status %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	var events []Event
	decoder := json.NewDecoder(strings.NewReader(r.Stdout))
	for decoder.More() {
		var e Event
		if err := decoder.Decode(&e); err != nil {
			return nil, fmt.Errorf("events: %w: %s", err, r.Stdout)
		}
		events = append(events, e)
	}
	return events, nil
}

// WaitBridges waits until every extension's bridge is in this state, such as "lowered".
func (d *Daemon) WaitBridges(state string, limit time.Duration) error {
	return Wait(limit, "every bridge to be "+state, func() error {
		s, err := d.Status()
		if err != nil {
			return err
		}
		for _, e := range s.Extensions {
			if e.Bridge != state {
				return fmt.Errorf("extension %s is %s: %s", e.Name, e.Bridge, e.Reason)
			}
		}
		return nil
	})
}
