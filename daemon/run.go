// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/drawbridge-l2/drawbridge/api"
	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/dataplane"
	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/gateway"
	"github.com/drawbridge-l2/drawbridge/host"
	"github.com/drawbridge-l2/drawbridge/web"
)

// tickInterval is how often the kernel is compared with what it should be: what others remove comes back
// within a second.
const tickInterval = 500 * time.Millisecond

// Run is the daemon: it sets up what the source says and works until the context ends. The data plane
// forwards on after it, whatever ended it.
func Run(ctx context.Context, s source, logger *slog.Logger) error {
	reloads := make(chan os.Signal, 1)
	signal.Notify(reloads, syscall.SIGHUP) // first of all: unhandled, the signal kills
	defer signal.Stop(reloads)
	if missing := host.Requirements(); len(missing) > 0 {
		if os.Geteuid() != 0 {
			missing = missing[:1] // to be root comes first, and without it the rest may be no more than that
		}
		return fmt.Errorf("this machine is not fit for a gateway: %w", errors.Join(missing...))
	}
	limitMemory()
	s = remembering(s)
	first, err := loadInitial(s)
	if err != nil {
		return err
	}
	held, err := lockState(first.cfg.Gateway.State)
	if err != nil {
		return err
	}
	d, err := open(s, first, logger)
	if err != nil {
		return errors.Join(err, held.release())
	}
	stop := context.AfterFunc(ctx, func() { _ = host.Notify("STOPPING=1") })
	defer stop()
	err = d.serve(ctx, first, reloads)
	return errors.Join(err, d.close(), held.release())
}

// daemon is a running gateway and all that it holds open.
type daemon struct {
	logger  *slog.Logger
	host    *host.Host
	plane   *dataplane.Plane
	log     *gateway.Log
	gateway *gateway.Gateway
	page    map[string]http.Handler
	unix    net.Listener
	tcp     net.Listener // nil: none is configured
}

// open opens everything that can fail before the kernel is changed, the sockets last.
func open(s source, first initial, logger *slog.Logger) (*daemon, error) {
	page, err := web.Handlers()
	if err != nil {
		return nil, err
	}
	d := &daemon{logger: logger, page: page}
	if err := d.open(s, first); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *daemon) open(s source, first initial) error {
	name, dir := first.cfg.Gateway.Name, first.cfg.Gateway.State
	store, err := gateway.OpenStore(dir)
	if err != nil {
		return err
	}
	moved := takeOver(store, name, dir)
	if d.log, err = gateway.OpenLog(store, d.logger, time.Now); err != nil {
		return err
	}
	if moved != nil {
		d.log.Append(*moved)
	}
	if d.host, err = host.Open(); err != nil {
		return err
	}
	noticeBPFFS(d.logger, dataplaneFS)
	if d.plane, err = openPlane(name); err != nil {
		return err
	}
	namespace, err := d.host.Namespace()
	if err != nil {
		return err
	}
	d.gateway, err = gateway.New(gateway.Options{
		Plane: d.plane, Host: machine{d.host, name, d.plane.GuardTunnel}, Store: store, Log: d.log, Source: s,
		Logger: d.logger, Now: time.Now, Name: name, Boot: bootID(), Namespace: namespace,
		Version: thisBuild().Version, Adopted: d.plane.Adopted(),
	})
	if err != nil {
		return err
	}
	a := first.cfg.Gateway.API
	if err := (whereabouts{name, dir, a.Socket, namespace, s.path()}).write(); err != nil {
		d.logger.Warn("uninstall-state will need the configuration file, or --state", "err", err)
	}
	return d.listen(a.Socket, a.Listen)
}

func (d *daemon) listen(socket, address string) (err error) {
	if d.unix, err = api.Listen(socket, d.logger); err != nil || address == "" {
		return err
	}
	d.tcp, err = listenTCP(address)
	return err
}

// serve sets the configuration up and works until the context ends.
func (d *daemon) serve(ctx context.Context, first initial, reloads <-chan os.Signal) error {
	if first.fault != nil {
		d.log.Append(gateway.ConfigErrorRecord("the last good one goes on, since the configuration is faulty", first.fault))
	}
	if err := d.gateway.Start(first.cfg, first.text); err != nil {
		return fmt.Errorf("start gateway %s: %w", first.cfg.Gateway.Name, err)
	}
	returnMemory()
	return runTasks(ctx, d.tasks(first.cfg.Gateway.API, reloads), func() {
		if err := host.Notify("READY=1"); err != nil {
			d.logger.Warn("service manager not told", "err", err)
		}
	})
}

func (d *daemon) tasks(a config.API, reloads <-chan os.Signal) []Task {
	gw := apiGateway{d.gateway}
	server := api.NewServer(gw, api.Options{Log: d.logger, Page: d.page})
	tasks := []Task{
		newTask("loop", d.gateway.Run),
		newTask("links", func(ctx context.Context) error { return d.host.Watch(ctx, d.gateway.Events()) }),
		newTask("signals of the data path", func(ctx context.Context) error { return d.plane.Watch(ctx, d.gateway.Events()) }),
		newTask("ticker", d.tick),
		newTask("reloader", func(ctx context.Context) error { return d.reload(ctx, gw, reloads) }),
		newTask("losses", d.gateway.WatchLosses),
		newTask("watchdog", d.watchdog),
		newTask("api on the socket", func(ctx context.Context) error { return server.Serve(ctx, d.unix) }),
	}
	switch {
	case d.tcp == nil:
	case a.TLS.IsSet():
		tasks = append(tasks, newTask("api over tls", func(ctx context.Context) error { return server.ServeTLS(ctx, d.tcp, a.Listen, api.TLSFiles(a.TLS)) }))
	default:
		tasks = append(tasks, newTask("api over tcp", func(ctx context.Context) error { return server.ServeTCP(ctx, d.tcp, a.Listen) }))
	}
	return tasks
}

// tick drives the loop's comparing. A tick that finds the queue full is left out: the loop is busy, and
// the next one does as well.
func (d *daemon) tick(ctx context.Context) error {
	ticker := time.NewTicker(tickInterval)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			select {
			case d.gateway.Events() <- event.Tick{Now: now}:
			default:
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// reload serves SIGHUP. A refused configuration is in the event log already.
func (d *daemon) reload(ctx context.Context, gw apiGateway, signals <-chan os.Signal) error {
	for {
		select {
		case <-signals:
			_ = gw.Reload(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

// close lets go of everything; the data plane goes on. What was never opened is passed over.
func (d *daemon) close() error {
	var errs []error
	for _, l := range []net.Listener{d.unix, d.tcp} {
		if l == nil {
			continue
		}
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if d.plane != nil {
		errs = append(errs, d.plane.Close())
	}
	if d.host != nil {
		errs = append(errs, d.host.Close())
	}
	if d.log != nil {
		errs = append(errs, d.log.Close())
	}
	return errors.Join(errs...)
}

// bootID tells this boot of the machine from every other.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown" // then ifindexes of an earlier boot may be taken for ours, and compared
	}
	return strings.TrimSpace(string(id))
}
