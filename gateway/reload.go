// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
)

// ErrRefused says that a configuration is at fault and was refused.
var ErrRefused = errors.New("refused, and the former configuration goes on")

// Reload makes what the source holds the running configuration, as a whole or not at all. Parsing is
// done by the caller's goroutine, so that the loop goes on meanwhile. The error matches ErrRefused when
// the configuration is at fault; any other says what host or kernel refused.
func (g *Gateway) Reload(ctx context.Context) error {
	g.loading.Lock()
	defer g.loading.Unlock()
	err := g.reload(ctx)
	if err == nil {
		return nil
	}
	return g.refuse("reload failed", err)
}

// refuse logs that a configuration did not become the running one, and says it to who asked for it.
func (g *Gateway) refuse(what string, err error) error {
	g.log.Append(ConfigErrorRecord(what+", and the former configuration goes on", err))
	if errors.Is(err, ErrRefused) {
		return fmt.Errorf("%w:\n%w", ErrRefused, err) // each fault is a line of its own, for editors and scripts
	}
	return fmt.Errorf("the former configuration goes on: %w", err)
}

func (g *Gateway) reload(ctx context.Context) error {
	asked := g.opts.Now()
	cfg, text, err := g.opts.Source.Load()
	if err != nil {
		return &refusal{err}
	}
	record := g.timed(asked, g.opts.Now(), reloadedRecord)
	return g.do(ctx, func() error {
		if err := g.changeAs(cfg, text, record); err != nil {
			return err
		}
		g.forgetTrial()
		return nil
	})
}

// timed adds to a record how long it took to read the configuration, and how long from then until it was in force. It is for
// a record that is made at that moment.
func (g *Gateway) timed(asked, read time.Time, record func(difference) event.Record) func(difference) event.Record {
	return func(d difference) event.Record {
		r := record(d)
		r.Detail["read_ms"] = milliseconds(read.Sub(asked))
		r.Detail["applied_ms"] = milliseconds(g.opts.Now().Sub(read))
		return r
	}
}

// milliseconds keeps three decimals.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// changeAs makes a checked configuration the running one, unless it contradicts the host or the daemon.
func (g *Gateway) changeAs(cfg *config.Config, text []byte, record func(difference) event.Record) error {
	all, err := g.opts.Host.Links()
	if err != nil {
		return fmt.Errorf("read links: %w", err)
	}
	in := g.inputsOf(cfg, all)
	plan := MakePlan(in)
	if err := g.contradictions(cfg, plan); err != nil {
		return err
	}
	return g.turnTo(&in, plan, true, text, record)
}

// inputsOf collects what a plan of another configuration than the running one is made of.
func (g *Gateway) inputsOf(cfg *config.Config, links map[string]Link) Inputs {
	in := g.inputs(relevantLinks(cfg, links))
	in.Config, in.Keep = cfg, 0
	return in
}

// turnTo makes the inputs' configuration, of which there is a plan, the running one. Strict is as in realise. A nil text is
// not kept.
func (g *Gateway) turnTo(in *Inputs, plan Plan, strict bool, text []byte, record func(difference) event.Record) error {
	diff := compare(g.cfg, in.Config)
	plan, err := g.realise(in, plan, strict)
	if err != nil {
		g.backToFormer()
		return err
	}
	told := record(diff)
	g.cfg, g.links = in.Config, in.Links
	g.retry.settle(len(g.unfit) > 0, g.opts.Now())
	g.keepLastGood(text)
	g.tidy()
	g.log.Append(told)
	g.publish(plan)
	g.syncNeighbours()
	return nil
}

// backToFormer gives NICs that were prepared for another role already the one back that they have in the
// running configuration. What fails is tried again.
func (g *Gateway) backToFormer() {
	in := g.inputs(g.links)
	_, err := g.realise(&in, MakePlan(in), false)
	g.fault("apply", err, event.Link)
	if err != nil {
		g.retry.failed(g.opts.Now())
		return
	}
	g.links = in.Links
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
	if len(errs) == 0 {
		return nil
	}
	return &refusal{errors.Join(errs...)}
}

// refusal is a configuration that is faulty, or contradicts the host or the running daemon.
type refusal struct{ error }

// Unwrap is the reasons.
func (r *refusal) Unwrap() error { return r.error }

// Is matches ErrRefused.
func (r *refusal) Is(target error) bool { return target == ErrRefused }

// fixedChanges names what cannot change without a restart.
func fixedChanges(old, now config.Gateway) []string {
	var out []string
	for _, f := range []struct{ key, old, now string }{
		{"gateway.name", string(old.Name), string(now.Name)},
		{"gateway.state", old.State, now.State},
		{"gateway.api.socket", old.API.Socket, now.API.Socket},
		{"gateway.api.listen", old.API.Listen, now.API.Listen},
		{"gateway.api.tls.certificate", old.API.TLS.Certificate, now.API.TLS.Certificate},
		{"gateway.api.tls.key", old.API.TLS.Key, now.API.TLS.Key},
		{"gateway.api.tls.clients", old.API.TLS.Clients, now.API.TLS.Clients},
	} {
		if f.old != f.now {
			out = append(out, fmt.Sprintf("%s is %q while the daemon runs, and cannot become %q: restart the daemon for that", f.key, f.old, f.now))
		}
	}
	return out
}

func reloadedRecord(d difference) event.Record {
	return event.Record{Kind: event.Reloaded, Severity: event.Info, Message: "reloaded: " + d.String(), Detail: d.detail()}
}

// keepLastGood writes the text that a restart falls back on. Flags have none.
func (g *Gateway) keepLastGood(text []byte) {
	if text != nil {
		g.text = text
		g.diskFault(g.opts.Store.write(LastGoodFile, text))
	}
}

// difference is what a reload changes, in names of extensions.
type difference struct {
	added, removed, changed []l2.Name
	rest                    bool // something beside the extensions
}

func compare(old, now *config.Config) difference {
	d := difference{rest: !reflect.DeepEqual(old.Gateway, now.Gateway) || !reflect.DeepEqual(old.Interfaces, now.Interfaces)}
	if namesEqual(old.Extensions, now.Extensions) {
		for i := range now.Extensions {
			if !old.Extensions[i].Equal(&now.Extensions[i]) {
				d.changed = append(d.changed, now.Extensions[i].Name)
			}
		}
		return d
	}
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
		case !was.Equal(e):
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

// namesEqual reports whether nothing was added or removed, which is most often so.
func namesEqual(a, b []config.Extension) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name {
			return false
		}
	}
	return true
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
