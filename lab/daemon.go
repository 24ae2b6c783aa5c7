// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Daemon runs the drawbridge binary in a gateway's namespace, with a name, socket, state directory and
// configuration file of its own. Its methods are for one goroutine.
type Daemon struct {
	Name   string // of the gateway: unique in the machine
	Dir    string // temporary; has all its files
	Binary string
	// ClockShift is how far its clocks since boot are ahead of the machine's, from the next start on. They are those that a
	// namespace can have of its own; the clock of the day is the machine's.
	ClockShift time.Duration

	gateway *Gateway
	process *daemonProcess // nil while none runs
}

type daemonProcess struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has; then cmd.ProcessState is there
}

// How long a daemon may take to start, and to end.
const (
	startLimit = 60 * time.Second
	stopLimit  = 10 * time.Second
)

// PinDir is where the kernel state of all gateways is pinned.
const PinDir = "/sys/fs/bpf/drawbridge"

// daemonPrefix starts the names of all gateways of labs; the pid follows.
const daemonPrefix = "lab-"

// NewDaemon prepares a daemon for the gateway. Closing the lab ends it and removes everything that it left: files,
// and with `uninstall-state` kernel state.
func (g *Gateway) NewDaemon(binary string) (*Daemon, error) {
	dir, err := os.MkdirTemp("", "drawbridge-lab-")
	if err != nil {
		return nil, fmt.Errorf("prepare daemon: %w", err)
	}
	d := &Daemon{
		Name: fmt.Sprintf("%s%d-%d", daemonPrefix, os.Getpid(), instances.Add(1)),
		Dir:  dir, Binary: binary, gateway: g,
	}
	g.net.OnClose(d.remove)
	return d, nil
}

// Socket is the API's socket.
func (d *Daemon) Socket() string { return filepath.Join(d.Dir, "api.sock") }

// State is the state directory.
func (d *Daemon) State() string { return filepath.Join(d.Dir, "state") }

// ConfigFile is the configuration file.
func (d *Daemon) ConfigFile() string { return filepath.Join(d.Dir, "drawbridge.yaml") }

// LogFile has what the daemon wrote to standard output and error, of all its runs.
func (d *Daemon) LogFile() string { return filepath.Join(d.Dir, "log") }

// Pins is the directory of this gateway's pinned kernel state.
func (d *Daemon) Pins() string { return filepath.Join(PinDir, d.Name) }

// Configure writes the configuration file; a running daemon takes it with Reload. Name, socket and state are the
// daemon's.
func (d *Daemon) Configure(c GatewayConfig) error {
	c.Name, c.Socket, c.State = d.Name, d.Socket(), d.State()
	return d.WriteConfig(c.Text())
}

// WriteConfig writes any text as the configuration file.
func (d *Daemon) WriteConfig(text string) error {
	if err := os.WriteFile(d.ConfigFile(), []byte(text), 0o644); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

// ExitError says that a daemon ended by itself.
type ExitError struct {
	Code int
	Log  string // the end of what it wrote
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("drawbridge ended with status %d:\n%s", e.Code, e.Log)
}

// Start runs the daemon and waits until it says that it is ready. When it ends instead, the error is an
// *ExitError.
func (d *Daemon) Start() error {
	if d.process != nil {
		return errors.New("start daemon: it runs already")
	}
	ready, err := d.listenNotify()
	if err != nil {
		return fmt.Errorf("start daemon: %w", err)
	}
	defer ready.Close()
	if err := d.Launch(); err != nil {
		return err
	}
	return d.waitReady(ready)
}

// Launch runs the daemon and does not wait.
func (d *Daemon) Launch() error {
	if d.process != nil {
		return errors.New("start daemon: it runs already")
	}
	log, err := os.OpenFile(d.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("start daemon: %w", err)
	}
	defer log.Close()
	cmd := d.command()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+d.notifySocket())
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start daemon: %w", err)
	}
	d.process = &daemonProcess{cmd: cmd, exited: make(chan struct{})}
	go d.process.wait()
	return nil
}

func (d *Daemon) command() *exec.Cmd {
	run := []string{d.Binary, "run", "--config", d.ConfigFile()}
	if d.ClockShift != 0 {
		seconds := strconv.Itoa(int(d.ClockShift / time.Second))
		run = append([]string{"unshare", "--time", "--monotonic", seconds, "--boottime", seconds, "--"}, run...)
	}
	return d.gateway.Command(run[0], run[1:]...)
}

func (p *daemonProcess) wait() {
	_ = p.cmd.Wait()
	close(p.exited)
}

func (d *Daemon) notifySocket() string { return filepath.Join(d.Dir, "notify") }

// listenNotify opens the datagram socket of the sd_notify protocol.
func (d *Daemon) listenNotify() (*net.UnixConn, error) {
	if err := os.Remove(d.notifySocket()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return net.ListenUnixgram("unixgram", &net.UnixAddr{Name: d.notifySocket(), Net: "unixgram"})
}

// waitReady waits for READY=1 or the daemon's end.
func (d *Daemon) waitReady(ready *net.UnixConn) error {
	said := make(chan error, 1)
	if err := ready.SetReadDeadline(time.Now().Add(startLimit)); err != nil {
		return err
	}
	go func() { said <- readReady(ready) }()
	select {
	case err := <-said:
		if err != nil {
			return fmt.Errorf("wait for the daemon to be ready: %w\n%s", err, d.logTail())
		}
		return nil
	case <-d.process.exited:
		code := d.process.cmd.ProcessState.ExitCode()
		d.process = nil
		return &ExitError{Code: code, Log: d.logTail()}
	}
}

func readReady(conn *net.UnixConn) error {
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		for line := range strings.SplitSeq(string(buf[:n]), "\n") {
			if line == "READY=1" {
				return nil
			}
		}
	}
}

// logTail is the end of the log.
func (d *Daemon) logTail() string {
	const most = 4096
	b, err := os.ReadFile(d.LogFile())
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-most):])
}

// PID is the daemon's process, 0 while none runs.
func (d *Daemon) PID() int {
	if d.process == nil {
		return 0
	}
	return d.process.cmd.Process.Pid
}

// Stop ends the daemon with SIGTERM and waits; what it set up goes on forwarding. A status other than 0 is an
// *ExitError. No daemon is success.
func (d *Daemon) Stop() error {
	if d.process == nil {
		return nil
	}
	if err := d.end(syscall.SIGTERM); err != nil {
		return err
	}
	return nil
}

// Kill9 ends the daemon with SIGKILL and waits.
func (d *Daemon) Kill9() error {
	if d.process == nil {
		return errors.New("kill daemon: none runs")
	}
	err := d.end(syscall.SIGKILL)
	if exit := (*ExitError)(nil); errors.As(err, &exit) {
		return nil
	}
	return err
}

func (d *Daemon) end(signal syscall.Signal) error {
	p := d.process
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal daemon: %w", err)
	}
	select {
	case <-p.exited:
	case <-time.After(stopLimit):
		_ = p.cmd.Process.Kill()
		<-p.exited
		d.process = nil
		return fmt.Errorf("stop daemon: it did not end in %v\n%s", stopLimit, d.logTail())
	}
	d.process = nil
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return &ExitError{Code: code, Log: d.logTail()}
	}
	return nil
}

// Freeze stops the daemon where it stands (SIGSTOP); Thaw lets it go on.
func (d *Daemon) Freeze() error { return d.signal(syscall.SIGSTOP) }

// Thaw lets a frozen daemon go on (SIGCONT).
func (d *Daemon) Thaw() error { return d.signal(syscall.SIGCONT) }

func (d *Daemon) signal(signal syscall.Signal) error {
	if d.process == nil {
		return fmt.Errorf("send %v to the daemon: none runs", signal)
	}
	return d.process.cmd.Process.Signal(signal)
}

// RSS is the daemon's resident memory in bytes.
func (d *Daemon) RSS() (int64, error) {
	if d.process == nil {
		return 0, errors.New("read the daemon's memory: none runs")
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", d.PID()))
	if err != nil {
		return 0, fmt.Errorf("read the daemon's memory: %w", err)
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
		return 0, fmt.Errorf("read the daemon's memory: %w", err)
	}
	return resident * int64(os.Getpagesize()), nil
}

// remove ends the daemon and removes what it left.
func (d *Daemon) remove() error {
	if d.process != nil {
		_ = d.process.cmd.Process.Kill()
		<-d.process.exited
		d.process = nil
	}
	var errs []error
	if _, err := os.Stat(d.Pins()); err == nil {
		if r := d.Run("uninstall-state", "--name", d.Name); r.Code != 0 {
			errs = append(errs, fmt.Errorf("remove gateway %s: %s%s", d.Name, r.Stdout, r.Stderr))
		}
		errs = append(errs, os.RemoveAll(d.Pins()))
	}
	errs = append(errs, os.RemoveAll(d.Dir))
	return errors.Join(errs...)
}
