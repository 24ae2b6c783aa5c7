// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
)

// ErrRefused says that a configuration was refused and that the former one goes on.
var ErrRefused = errors.New("the configuration is refused, and the former one goes on")

// Reload makes what the source holds the running configuration, as a whole or not at all. Parsing is
// done by the caller's goroutine, so that the loop goes on meanwhile.
func (g *Gateway) Reload(ctx context.Context) error {
	g.loading.Lock()
	defer g.loading.Unlock()
	cfg, text, err := g.opts.Source.Load()
	if err != nil {
		return g.refuse(err)
	}
	var refused error
	if err := g.do(ctx, func() error {
		refused = g.change(cfg, text)
		return nil
	}); err != nil {
		return err
	}
	return g.refuse(refused)
}

// refuse logs why a configuration was refused, one record for all faults.
func (g *Gateway) refuse(err error) error {
	if err == nil {
		return nil
	}
	g.log.Append(event.Record{
		Kind:     event.ConfigError,
		Severity: event.Error,
		Message:  "reload refused, the running configuration goes on: " + err.Error(),
	})
	return fmt.Errorf("%w: %w", ErrRefused, err)
}

// change makes a checked configuration the running one.
func (g *Gateway) change(cfg *config.Config, text []byte) error {
	all, err := g.opts.Host.Links()
	if err != nil {
		return fmt.Errorf("read links: %w", err)
	}
	links := relevantLinks(cfg, all)
	in := g.inputs(links)
	in.Config, in.Keep = cfg, 0
	clear(in.Unfit) // each may be fit by now
	if err := g.contradictions(cfg, MakePlan(in)); err != nil {
		return err
	}
	diff := compare(g.cfg, cfg)
	plan, err := g.realiseReload(in)
	if err != nil {
		return err
	}
	g.cfg, g.links = cfg, links
	g.retry.settle(len(g.unfit) > 0, g.opts.Now())
	g.keepLastGood(text)
	g.tidy()
	g.log.Append(event.Record{Kind: event.Reloaded, Severity: event.Info, Message: "reloaded: " + diff.String(), Detail: diff.detail()})
	g.publish(plan)
	g.syncNeighbours()
	return nil
}

// realiseReload is realise, but a NIC that turns out to be unfit refuses the whole.
func (g *Gateway) realiseReload(in Inputs) (Plan, error) {
	plan := MakePlan(in)
	for _, n := range wantedNICs(&plan.Desired) {
		_, known := g.unfit[n.name]
		if err := g.prepareNIC(n, in.Links[n.name].AdminUp, plan.Desired.Engine); err != nil && n.role != Underlay && !known {
			g.tidy()
			return Plan{}, err
		}
	}
	return g.realise(in)
}

// contradictions collects all that a reload is refused for.
func (g *Gateway) contradictions(cfg *config.Config, p Plan) error {
	var errs []error
	for _, text := range fixedChanges(g.cfg.Gateway, cfg.Gateway) {
		errs = append(errs, errors.New(text))
	}
	for _, text := range p.Refusals {
		errs = append(errs, errors.New(text))
	}
	if was := g.snapshot.Load(); p.UnderlayDown != "" && len(p.Refusals) == 0 && was != nil && was.down == "" {
		errs = append(errs, fmt.Errorf("it would take every extension down: %s", p.UnderlayDown))
	}
	return errors.Join(errs...)
}

// fixedChanges names what cannot change without a restart.
func fixedChanges(old, now config.Gateway) []string {
	var out []string
	for _, f := range []struct{ key, old, now string }{
		{"gateway.name", string(old.Name), string(now.Name)},
		{"gateway.state", old.State, now.State},
		{"gateway.api.socket", old.API.Socket, now.API.Socket},
		{"gateway.api.listen", old.API.Listen, now.API.Listen},
	} {
		if f.old != f.now {
			out = append(out, fmt.Sprintf("%s is %q while the daemon runs, and cannot become %q: restart the daemon for that", f.key, f.old, f.now))
		}
	}
	return out
}

// keepLastGood writes the text that a restart falls back on. Flags have none.
func (g *Gateway) keepLastGood(text []byte) {
	if text != nil {
		g.diskFault(g.opts.Store.write(lastGoodFile, text))
	}
}

// difference is what a reload changes, in names of extensions.
type difference struct {
	added, removed, changed []l2.Name
	rest                    bool // something beside the extensions
}

func compare(old, now *config.Config) difference {
	d := difference{rest: !reflect.DeepEqual(old.Gateway, now.Gateway) || !reflect.DeepEqual(old.Interfaces, now.Interfaces)}
	before := map[l2.Name]*config.Extension{}
	for i := range old.Extensions {
		before[old.Extensions[i].Name] = &old.Extensions[i]
	}
	for i := range now.Extensions {
		e := &now.Extensions[i]
		was, found := before[e.Name]
		switch {
		case !found:
			d.added = append(d.added, e.Name)
		case !reflect.DeepEqual(was, e):
			d.changed = append(d.changed, e.Name)
		}
		delete(before, e.Name)
	}
	for i := range old.Extensions {
		if _, gone := before[old.Extensions[i].Name]; gone {
			d.removed = append(d.removed, old.Extensions[i].Name)
		}
	}
	return d
}

// String is one sentence, with names while there are few.
func (d difference) String() string {
	var parts []string
	for _, p := range []struct {
		verb  string
		names []l2.Name
	}{{"added", d.added}, {"removed", d.removed}, {"changed", d.changed}} {
		if len(p.names) > 0 {
			parts = append(parts, p.verb+" "+listNames(p.names))
		}
	}
	if d.rest {
		parts = append(parts, "changed the gateway's own settings")
	}
	if len(parts) == 0 {
		return "nothing changed"
	}
	return strings.Join(parts, ", ")
}

func (d difference) detail() map[string]any {
	return map[string]any{"added": len(d.added), "removed": len(d.removed), "changed": len(d.changed)}
}

func listNames(names []l2.Name) string {
	if len(names) > 5 {
		return fmt.Sprintf("%d extensions", len(names))
	}
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = string(n)
	}
	return strings.Join(out, ", ")
}
