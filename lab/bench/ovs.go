// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
)

// ovsSystem is Open vSwitch with its userspace datapath: a learning bridge with the customer's NIC and a VXLAN port, and the underlay's
// NIC on a bridge of its own, as that datapath wants it. NICs are read and written by packet sockets, since there is no DPDK here.
type ovsSystem struct {
	untaggedEnds
	namespace *namespace
	directory string
	daemons   []ovsDaemon
	deaf      []link.Link
}

// ovsDaemon is one of its processes.
type ovsDaemon struct {
	*exec.Cmd
	exited chan error
}

const (
	ovsSchema   = "/usr/share/openvswitch/vswitch.ovsschema"
	ovsCommands = 10 * time.Second // for one of its commands
	ovsMostMACs = 1024             // pairs; every pair costs it a flow, which takes a round through its slow path
	ovsUnderlay = "phy0"
)

// hasOVS reports whether it is installed. It is not among what the measurements cannot do without.
func hasOVS() bool {
	_, err := exec.LookPath("ovs-vswitchd")
	return err == nil
}

func (s *ovsSystem) name() string { return systemOVS }
func (s *ovsSystem) describe() string {
	return "Open vSwitch's userspace datapath over packet sockets: untagged, action NORMAL; its rate is per second of its own CPU time, the generator's not counted, which favours it"
}
func (s *ovsSystem) learns() bool { return true }
func (s *ovsSystem) skbs() bool   { return true }

func (s *ovsSystem) fits(l layout) string {
	switch {
	case l.extensions > 1:
		return "one untagged NIC carries one extension"
	case l.stations() > ovsMostMACs:
		return "each pair of stations takes a flow"
	}
	return ""
}

func (s *ovsSystem) start(ctx context.Context, t *topology, l layout) error {
	s.namespace = t.gateway
	directory, err := os.MkdirTemp("", "dbb")
	if err != nil {
		return fmt.Errorf("make directory for Open vSwitch: %w", err)
	}
	s.directory = directory
	for _, nic := range []string{t.customerNIC, t.underlayNIC} {
		if err := s.namespace.setGRO(nic, true); err != nil {
			return err
		}
		if err := s.deafen(nic); err != nil {
			return err
		}
	}
	for _, step := range []func(context.Context) error{s.startDatabase, s.startSwitch} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := s.addBridges(ctx, t); err != nil {
		return err
	}
	return s.addressUnderlay(ctx, t)
}

// deafen keeps the kernel from handling frames, too. Packet sockets see them before this.
func (s *ovsSystem) deafen(nic string) error {
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "deafen", Type: ebpf.SchedCLS, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()}, // TC_ACT_SHOT
	})
	if err != nil {
		return fmt.Errorf("load program that drops: %w", err)
	}
	defer program.Close()
	ifindex, err := s.namespace.index(nic)
	if err != nil {
		return err
	}
	return s.namespace.run(func() error {
		l, err := link.AttachTCX(link.TCXOptions{Program: program, Interface: ifindex, Attach: ebpf.AttachTCXIngress})
		if err != nil {
			return fmt.Errorf("attach program that drops to %s: %w", nic, err)
		}
		s.deaf = append(s.deaf, l)
		return nil
	})
}

func (s *ovsSystem) path(name string) string { return filepath.Join(s.directory, name) }

func (s *ovsSystem) database() string { return "unix:" + s.path("db.sock") }

// command runs one of its programs in the gateway's namespace, with its files in our directory.
func (s *ovsSystem) command(ctx context.Context, arguments ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + s.namespace.path()}, arguments...)...)
	c.Env = append(os.Environ(), "OVS_RUNDIR="+s.directory, "OVS_DBDIR="+s.directory, "OVS_LOGDIR="+s.directory)
	return c
}

func (s *ovsSystem) do(ctx context.Context, arguments ...string) error {
	ctx, cancel := context.WithTimeout(ctx, ovsCommands)
	defer cancel()
	if output, err := s.command(ctx, arguments...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", arguments[0], err, lastLines(output))
	}
	return nil
}

// launch starts a daemon and waits for the socket by which it is spoken to.
func (s *ovsSystem) launch(ctx context.Context, socket string, arguments ...string) error {
	c := s.command(context.Background(), arguments...)
	exited, err := startChild(c)
	if err != nil {
		return fmt.Errorf("start %s: %w", arguments[0], err)
	}
	s.daemons = append(s.daemons, ovsDaemon{c, exited})
	deadline := time.Now().Add(ovsCommands)
	for {
		if _, err := os.Stat(s.path(socket)); err == nil {
			return nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("start %s: it made no socket: %s", arguments[0], s.logTail())
		}
		time.Sleep(pollPeriod)
	}
}

func (s *ovsSystem) logTail() string {
	log, err := os.ReadFile(s.path("log"))
	if err != nil {
		return err.Error()
	}
	return lastLines(log)
}

func (s *ovsSystem) startDatabase(ctx context.Context) error {
	if err := s.do(ctx, "ovsdb-tool", "create", s.path("conf.db"), ovsSchema); err != nil {
		return err
	}
	err := s.launch(ctx, "db.sock", "ovsdb-server", s.path("conf.db"), "--remote=p"+s.database(), "--unixctl="+s.path("db.ctl"), "--log-file="+s.path("db.log"))
	if err != nil {
		return err
	}
	return s.do(ctx, "ovs-vsctl", "--no-wait", "--db="+s.database(), "init")
}

func (s *ovsSystem) startSwitch(ctx context.Context) error {
	return s.launch(ctx, "switch.ctl", "ovs-vswitchd", s.database(), "--unixctl="+s.path("switch.ctl"), "--log-file="+s.path("log"))
}

func (s *ovsSystem) addBridges(ctx context.Context, t *topology) error {
	return s.do(ctx, "ovs-vsctl", "--db="+s.database(), "--timeout=9",
		"--", "add-br", ovsUnderlay, "--", "set", "bridge", ovsUnderlay, "datapath_type=netdev", "other-config:hwaddr="+underlayMAC.String(),
		"--", "add-port", ovsUnderlay, t.underlayNIC,
		"--", "add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "other-config:mac-table-size=65536",
		"--", "add-port", "br0", t.customerNIC,
		"--", "add-port", "br0", "vxlan0", "--", "set", "interface", "vxlan0", "type=vxlan",
		"options:remote_ip="+cloudVTEP.String(), "options:local_ip="+gatewayVTEP.String(), fmt.Sprintf("options:key=%d", firstVNI))
}

// addressUnderlay moves the VTEP's address to the underlay's bridge: the datapath finds its own addresses there.
func (s *ovsSystem) addressUnderlay(ctx context.Context, t *topology) error {
	nic, err := s.namespace.links.LinkByName(t.underlayNIC)
	if err != nil {
		return fmt.Errorf("find %s: %w", t.underlayNIC, err)
	}
	addresses, err := s.namespace.links.AddrList(nic, netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("read addresses of %s: %w", t.underlayNIC, err)
	}
	for i := range addresses {
		if err := s.namespace.links.AddrDel(nic, &addresses[i]); err != nil {
			return fmt.Errorf("move address of %s: %w", t.underlayNIC, err)
		}
	}
	if err := s.namespace.up(ovsUnderlay); err != nil {
		return err
	}
	if err := s.namespace.address(ovsUnderlay, underlayPrefix()); err != nil {
		return err
	}
	return s.do(ctx, "ovs-appctl", "-t", s.path("switch.ctl"), "tnl/neigh/set", ovsUnderlay, cloudVTEP.String(), vtepMAC.String())
}

// process is the switch, whose main thread moves all frames.
func (s *ovsSystem) process() int { return s.daemons[len(s.daemons)-1].Process.Pid }

// counters are what the datapath holds and moved.
func (s *ovsSystem) counters() string {
	ctx, cancel := context.WithTimeout(context.Background(), ovsCommands)
	defer cancel()
	output, err := s.command(ctx, "ovs-appctl", "-t", s.path("switch.ctl"), "dpctl/show", "-s").CombinedOutput()
	if err != nil {
		return err.Error()
	}
	return string(output)
}

// stop ends the daemons, the switch first.
func (s *ovsSystem) stop() error {
	var errs []error
	for _, l := range s.deaf {
		errs = append(errs, l.Close())
	}
	for _, d := range slices.Backward(s.daemons) {
		_ = d.Process.Signal(syscall.SIGTERM) // it may have ended by itself
		select {
		case <-d.exited:
			continue
		case <-time.After(stopLimit):
		}
		_ = d.Process.Kill()
		<-d.exited
	}
	if s.directory != "" {
		errs = append(errs, os.RemoveAll(s.directory))
	}
	return errors.Join(errs...)
}
