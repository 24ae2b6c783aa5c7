// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/drawbridge-l2/drawbridge/lab"
)

// demo is one run of the show.
type demo struct {
	ctx    context.Context // done: stop and clean up
	tell   *teller
	engine string // as asked for
	binary string // this program

	lab    *lab.Lab
	daemon *lab.Daemon

	engineRunning, engineReason string

	took time.Duration // without the time that everything was kept
}

// demoLimit is how long anything may take that happens at once on an idle machine.
const demoLimit = 5 * time.Second

// scene is one step of the story.
type scene struct {
	name, title string
	play        func(*demo) error
}

// scenes are the story, in order. Each counts on those before it.
var scenes = []scene{
	{"build", "Build a customer's site, a gateway and a cloud", (*demo).build},
	{"start", "Start the gateway", (*demo).startGateway},
	{"dhcp", "The customer's host asks a VM in the cloud for an address", (*demo).lease},
	{"ping", "The customer's host pings the VMs, as on one wire", (*demo).pings},
	{"broadcast", "A broadcast reaches everybody exactly once", (*demo).broadcasts},
	{"tcp", "A TCP transfer each way", (*demo).transfers},
	{"strangers", "What is not configured does not cross", (*demo).strangers},
	{"kill", "Kill the daemon while frames flow", (*demo).kill},
	{"raise", "Raise the bridge", (*demo).raise},
	{"lower", "Lower the bridge", (*demo).lower},
	{"storm", "A machine of the customer's floods the extension", (*demo).storm},
	{"loop", "A loop in the customer's network", (*demo).loop},
	{"rogue", "A machine of the customer's plays router", (*demo).rogue},
	{"figures", "Every frame is accounted for", (*demo).figures},
}

const demoMap = `Drawbridge demo, in network namespaces: this machine's network is not touched.

    customer              gateway                cloud
    host == VLAN 2301 == eth2   eth1 == VXLAN 10100 ==+== hypervisor 1 -- VM
                                                      +== hypervisor 2 -- VM
`

// play shows every scene and cleans up, whatever happens.
func (d *demo) play(keep bool, stderr io.Writer) (err error) {
	began := time.Now()
	defer func() {
		if d.lab != nil {
			err = errors.Join(err, d.cleanUp())
		}
		d.took += time.Since(began)
	}()
	d.tell.line(demoMap)
	err = d.playScenes()
	if keep && d.daemon != nil && !errors.Is(err, errInterrupted) {
		d.explore(stderr)
		d.took = time.Since(began)
		<-d.ctx.Done()
		began = time.Now()
	}
	return err
}

func (d *demo) playScenes() error {
	for _, s := range scenes {
		if err := d.scene(s.name, s.title, func() error { return s.play(d) }); err != nil {
			return err
		}
	}
	return nil
}

// scene plays one step. A signal that came meanwhile ends the story behind it.
func (d *demo) scene(name, title string, play func() error) error {
	d.tell.begin(name, title)
	err := play()
	if d.ctx.Err() != nil {
		err = errInterrupted
	}
	d.tell.end(err)
	if err != nil && !errors.Is(err, errInterrupted) {
		return fmt.Errorf("demo: step %s: %w", name, err)
	}
	return err
}

// sleep lets time pass, unless the demo is interrupted.
func (d *demo) sleep(pause time.Duration) error {
	select {
	case <-time.After(pause):
		return nil
	case <-d.ctx.Done():
		return errInterrupted
	}
}

// explore says how to look into what is kept.
func (d *demo) explore(w io.Writer) {
	program, socket := os.Args[0], d.daemon.Socket()
	fmt.Fprintf(w, "Everything stays until Ctrl-C. In another terminal, as root:\n\n")
	for _, command := range []string{"status", "status acme", "macs", "events -f"} {
		fmt.Fprintf(w, "  %s %s --socket %s\n", program, command, socket)
	}
	host, vm := d.lab.Host("acme", 0), d.lab.VM("acme", 0, 0)
	fmt.Fprintf(w, "  nsenter --net=%s ping %v\n", host.Path(), vm.IPv4.Addr())
	fmt.Fprintf(w, "  nsenter --net=%s ip -d link\n\n", d.lab.Gateway.Path())
}

// cleanUp removes everything and looks whether it is gone. It does not heed signals.
func (d *demo) cleanUp() error {
	d.tell.begin("clean-up", "Clean up")
	err := errors.Join(d.lab.Close(), d.leftovers())
	if err == nil {
		d.tell.ok("no namespace, process, pinned object or file is left")
	}
	d.tell.end(err)
	if err != nil {
		return fmt.Errorf("demo: clean up: %w", err)
	}
	return nil
}

// leftovers names what should be gone.
func (d *demo) leftovers() error {
	left, err := filepath.Glob(fmt.Sprintf("/run/netns/%s%d-*", demoPrefix, os.Getpid()))
	if err != nil {
		return err
	}
	if d.daemon != nil {
		for _, path := range []string{d.daemon.Pins(), d.daemon.Dir} {
			if _, err := os.Lstat(path); err == nil {
				left = append(left, path)
			}
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("expected nothing to be left, found %s", strings.Join(left, ", "))
	}
	return nil
}
