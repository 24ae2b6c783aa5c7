// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// drawbridge is the product's gateway with one of its engines.
type drawbridge struct {
	binary   string
	engine   string
	guards   bool
	untagged bool // for the TCP suite: the circuit has no tag

	openToMACs bool // for the MACs suite: as many new ones, as fast, as a configuration can allow

	namespace *namespace
	config    gatewayConfig // what its file says
	directory string
	gateway   string
	process   *exec.Cmd
	exited    chan error
	log       *os.File
}

// How long the daemon may take. Applying thousands of extensions is what the config suite times.
const (
	readyLimit = 120 * time.Second
	stopLimit  = 15 * time.Second
	pollPeriod = 20 * time.Millisecond
)

func (d *drawbridge) name() string {
	if d.guards {
		return d.engine
	}
	return d.engine + "-guards-off"
}

func (d *drawbridge) describe() string {
	guards := "all default guards"
	if !d.guards {
		guards = "guards off"
	}
	return fmt.Sprintf("drawbridge, engine %s, %s", d.engine, guards)
}

func (d *drawbridge) fits(layout) string { return "" }
func (d *drawbridge) learns() bool       { return true }
func (d *drawbridge) skbs() bool         { return d.engine == "tc" }

func (d *drawbridge) input(dir direction) encoding {
	switch {
	case dir == toCustomer:
		return tunnel
	case d.untagged:
		return plain
	}
	return tagged
}

func (d *drawbridge) output(dir direction) encoding { return d.input(1 - dir) }

// start writes a configuration, runs the daemon inside the gateway's namespace and waits until all extensions are lowered.
func (d *drawbridge) start(ctx context.Context, t *topology, l layout) error {
	d.namespace = t.gateway
	d.gateway = t.prefix
	for _, nic := range []string{t.customerNIC, t.underlayNIC} {
		if err := d.namespace.setGRO(nic, true); err != nil {
			return err
		}
	}
	if err := d.prepare(t, l); err != nil {
		return err
	}
	if err := d.launch(); err != nil {
		return err
	}
	return d.awaitReady(ctx)
}

func (d *drawbridge) prepare(t *topology, l layout) error {
	directory, err := os.MkdirTemp("", "dbb")
	if err != nil {
		return fmt.Errorf("make directory for drawbridge: %w", err)
	}
	d.directory = directory
	d.config = gatewayConfig{
		Name: d.gateway, Engine: d.engine, Socket: d.socket(), State: filepath.Join(directory, "state"),
		Underlay: t.underlayNIC, Customer: t.customerNIC, VTEP: gatewayVTEP, Peer: cloudVTEP,
		Layout: l, Guards: d.guards, Untagged: d.untagged, OpenToMACs: d.openToMACs,
	}
	return os.WriteFile(d.file(), d.config.yaml(), 0o600)
}

func (d *drawbridge) file() string   { return filepath.Join(d.directory, "drawbridge.yaml") }
func (d *drawbridge) socket() string { return filepath.Join(d.directory, "api.sock") }

// command runs the binary in the gateway's network namespace; only that one: /sys and the mounts stay the machine's.
func (d *drawbridge) command(arguments ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--net=" + d.namespace.path(), d.binary}, arguments...)...)
}

func (d *drawbridge) launch() error {
	log, err := os.Create(filepath.Join(d.directory, "log"))
	if err != nil {
		return fmt.Errorf("make drawbridge's log: %w", err)
	}
	d.log = log
	d.process = d.command("run", "--config", d.file())
	d.process.Stdout, d.process.Stderr = log, log
	if d.exited, err = startChild(d.process); err != nil {
		return fmt.Errorf("run %s: %w", d.binary, err)
	}
	return nil
}

// awaitReady asks for the status until it says that everything is lowered.
func (d *drawbridge) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	for {
		status := d.command("status", "--socket", d.socket())
		output, err := status.CombinedOutput()
		if err == nil {
			return nil
		}
		select {
		case err := <-d.exited:
			d.exited <- err
			return fmt.Errorf("run %s: it ended (%v): %s", d.binary, err, d.logTail())
		case <-ctx.Done():
			return fmt.Errorf("wait for %s to lower all extensions: %w: %s: %s", d.name(), ctx.Err(), lastLines(output), d.logTail())
		case <-time.After(pollPeriod):
		}
	}
}

// stop ends the daemon and removes what it left in the kernel.
func (d *drawbridge) stop() error {
	if d.directory == "" {
		return nil
	}
	err := d.end()
	if d.process != nil {
		output, uninstall := d.command("uninstall-state", "--config", d.file()).CombinedOutput()
		if uninstall != nil {
			err = errors.Join(err, fmt.Errorf("uninstall state of %s: %w: %s", d.gateway, uninstall, lastLines(output)))
		}
	}
	if d.log != nil {
		err = errors.Join(err, d.log.Close())
	}
	return errors.Join(err, os.RemoveAll(d.directory))
}

// end asks the daemon to go, and insists when it does not.
func (d *drawbridge) end() error {
	if d.process == nil || d.process.Process == nil {
		return nil
	}
	_ = d.process.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case <-d.exited:
		return nil
	case <-time.After(stopLimit):
	}
	_ = d.process.Process.Kill()
	<-d.exited
	return fmt.Errorf("stop %s: it did not end within %s", d.name(), stopLimit)
}

// counters are the whole status on one line.
func (d *drawbridge) counters() string {
	output, err := d.command("status", "-o", "json", "--socket", d.socket()).Output()
	var line bytes.Buffer
	if err == nil {
		err = json.Compact(&line, output)
	}
	if err != nil {
		return fmt.Sprintf("no status: %v", err)
	}
	const most = 4000 // bytes: thousands of extensions say nothing
	return string(line.Bytes()[:min(most, line.Len())])
}

func (d *drawbridge) logTail() string {
	log, err := os.ReadFile(filepath.Join(d.directory, "log"))
	if err != nil {
		return err.Error()
	}
	return lastLines(log)
}

// lastLines cuts a program's output down to what fits an error.
func lastLines(output []byte) string {
	const lines = 5
	all := bytes.Split(bytes.TrimSpace(output), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("; ")))
}
