// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/event"
)

// Editable is a Source whose text can be replaced while the daemon runs: a file.
type Editable interface {
	Source
	// Parse checks a text that is to stand in for the source's.
	Parse(text []byte) (*config.Config, error)
	// Stage lays a text down, so that Commit has only little left that can fail. It is not the source's yet.
	Stage(text []byte) error
	// Commit makes the staged text the source's own, and keeps a copy of the former one.
	Commit() error
	// Discard forgets the staged text, and tells whether there was one.
	Discard() (found bool, err error)
}

// Errors of the configuration over the API.
var (
	// ErrNoText says that the gateway runs from flags: there is no text to read or to replace.
	ErrNoText = errors.New("the gateway runs from the flags of its command line, and has no configuration file: start it with --config")
	// ErrUnconfirmed says that another configuration is on trial.
	ErrUnconfirmed = errors.New("another configuration waits to be confirmed: confirm it, or reload to go back to the file now")
	// ErrNoTrial says that there is nothing to confirm.
	ErrNoTrial = errors.New("no configuration waits to be confirmed")
)

// rollBackRetry is how soon a roll-back that the kernel refused is tried again.
const rollBackRetry = 5 * time.Second

// trial is a running configuration that the source does not have yet.
//
//	file ── SetConfiguration ──► trial ── Confirm ──► file
//	 ▲                             │
//	 └── time is up, Reload, restart
type trial struct {
	until      time.Time // when it is rolled back
	former     *config.Config
	formerText []byte
}

// Configuration is the running configuration as text. ConfirmBy is when it is rolled back unless somebody
// confirms it; zero: never.
type Configuration struct {
	Text      []byte
	ConfirmBy time.Time
}

// Configuration returns what runs. ErrNoText: it came from flags.
func (g *Gateway) Configuration(ctx context.Context) (Configuration, error) {
	var found Configuration
	err := g.do(ctx, func() error {
		if g.text == nil {
			return ErrNoText
		}
		found.Text = g.text
		if g.trial != nil {
			found.ConfirmBy = g.trial.until
		}
		return nil
	})
	if err != nil {
		return Configuration{}, err
	}
	return found, nil
}

// SetConfiguration makes a text the running configuration, as a whole or not at all. Without a time to confirm
// it becomes the source's text at once. With one it is on trial: it is rolled back when Confirm does not come
// until the returned time, when the source is reloaded, and when the daemon starts anew. Errors are those of
// Reload, ErrNoText and ErrUnconfirmed.
func (g *Gateway) SetConfiguration(ctx context.Context, text []byte, confirm time.Duration) (until time.Time, err error) {
	g.loading.Lock()
	defer g.loading.Unlock()
	source, editable := g.opts.Source.(Editable)
	if !editable {
		return time.Time{}, ErrNoText
	}
	asked := g.opts.Now()
	cfg, err := source.Parse(text)
	if err != nil {
		return time.Time{}, g.refuse("configuration refused", &refusal{err})
	}
	read := g.opts.Now()
	err = g.do(ctx, func() error {
		until = g.opts.Now().Add(confirm)
		record := g.timed(asked, read, func(d difference) event.Record { return triedRecord(d, until, confirm) })
		if err := g.try(source, cfg, text, until, record); err != nil || confirm > 0 {
			return err
		}
		return g.commitOrRollBack(source)
	})
	if errors.Is(err, ErrUnconfirmed) {
		return time.Time{}, err
	}
	if err != nil {
		return time.Time{}, g.refuse("configuration refused", err)
	}
	if confirm == 0 {
		return time.Time{}, nil
	}
	return until, nil
}

// try turns to a configuration until a time, unless it is committed until then.
func (g *Gateway) try(source Editable, cfg *config.Config, text []byte, until time.Time, record func(difference) event.Record) error {
	if g.trial != nil {
		return ErrUnconfirmed
	}
	if err := source.Stage(text); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	on := &trial{until: until, former: g.cfg, formerText: g.text}
	if err := g.changeAs(cfg, nil, record); err != nil {
		_, discarded := source.Discard()
		return errors.Join(err, discarded)
	}
	g.text, g.trial = text, on
	return nil
}

// commitOrRollBack ends a trial that nobody has to confirm.
func (g *Gateway) commitOrRollBack(source Editable) error {
	err := g.commit(source)
	if err != nil {
		g.rollBack("it could not be written")
	}
	return err
}

// Confirm makes the configuration on trial the source's own. ErrNoTrial: there is none.
func (g *Gateway) Confirm(ctx context.Context) error {
	g.loading.Lock()
	defer g.loading.Unlock()
	return g.do(ctx, func() error {
		source, editable := g.opts.Source.(Editable)
		if !editable || g.trial == nil {
			return ErrNoTrial
		}
		if err := g.commit(source); err != nil {
			return err
		}
		g.log.Append(event.Record{Kind: event.Reloaded, Severity: event.Info, Message: "the configuration was confirmed"})
		return nil
	})
}

func (g *Gateway) commit(source Editable) error {
	if err := source.Commit(); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	g.trial = nil
	g.keepLastGood(g.text)
	return nil
}

// endTrial rolls back what nobody confirmed in time.
func (g *Gateway) endTrial() {
	if g.trial != nil && !g.opts.Now().Before(g.trial.until) {
		g.rollBack("nobody confirmed it in time")
	}
}

// rollBack turns to the configuration before the trial. What the host does not allow any more is down then,
// as it is at a start; when the kernel refuses, the trial goes on and this is tried again.
func (g *Gateway) rollBack(why string) {
	t := g.trial
	all, err := g.opts.Host.Links()
	if err == nil {
		in := g.inputsOf(t.former, all)
		err = g.turnTo(&in, MakePlan(in), false, nil, func(d difference) event.Record { return rolledBackRecord(d, why) })
	}
	if err != nil {
		err = fmt.Errorf("roll the configuration back: %w", err)
		t.until = g.opts.Now().Add(rollBackRetry)
	}
	g.fault("roll back", err, event.ConfigError)
	if err != nil {
		return
	}
	g.text, g.trial = t.formerText, nil
	g.discardStaged()
}

// forgetTrial ends a trial whose configuration does not run any more, because the source's does.
func (g *Gateway) forgetTrial() {
	if g.trial != nil {
		g.trial = nil
		g.discardStaged()
	}
}

func (g *Gateway) discardStaged() (found bool) {
	source, editable := g.opts.Source.(Editable)
	if !editable {
		return false
	}
	found, err := source.Discard()
	g.diskFault(err)
	return found
}

// tellForgotten tells, at a start, that the daemon before this one ended during a trial.
func (g *Gateway) tellForgotten() {
	if g.discardStaged() {
		g.log.Append(event.Record{
			Kind: event.ConfigError, Severity: event.Warning,
			Message: "the daemon ended before its configuration was confirmed: the configuration before that one is back",
		})
	}
}

func triedRecord(d difference, until time.Time, confirm time.Duration) event.Record {
	r := reloadedRecord(d)
	if confirm > 0 {
		at := until.UTC().Format(time.RFC3339)
		r.Message += fmt.Sprintf("; the former one comes back at %s unless this is confirmed", at)
		r.Detail["confirm_by"] = at
	}
	return r
}

func rolledBackRecord(d difference, why string) event.Record {
	r := reloadedRecord(d)
	r.Severity = event.Warning
	r.Message = fmt.Sprintf("the configuration was rolled back, since %s: %s", why, d)
	return r
}
