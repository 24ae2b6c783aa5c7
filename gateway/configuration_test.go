// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/state"
)

// fileInMemory is an editable source. The configurations that it knows stand for parsing.
type fileInMemory struct {
	*source
	known     map[string]*config.Config
	staged    string
	commitErr error
}

func (f *fileInMemory) Parse(text []byte) (*config.Config, error) {
	if c, known := f.known[string(text)]; known {
		return c, nil
	}
	return nil, errors.New("configuration:3:1: two faults\nconfiguration:4:1: the other")
}

func (f *fileInMemory) Stage(text []byte) error { f.staged = string(text); return nil }

func (f *fileInMemory) Commit() error {
	if f.commitErr != nil {
		return f.commitErr
	}
	f.cfg, f.text, f.staged = f.known[f.staged], f.staged, ""
	return nil
}

func (f *fileInMemory) Discard() (bool, error) {
	found := f.staged != ""
	f.staged = ""
	return found, nil
}

// onFile is a rig whose source is a file with acme, and which knows a text with beta1 too.
func onFile(t *testing.T) (*rig, *fileInMemory) {
	t.Helper()
	r := newRig(t, gatewayConfig(acme()))
	r.host.add(veth("eth3", 4))
	beta := ext("beta1", "eth3", "10", 10200, "192.0.2.21")
	f := &fileInMemory{source: r.src, known: map[string]*config.Config{
		"the file\n": r.src.cfg, "both\n": gatewayConfig(acme(), beta), "beta\n": gatewayConfig(beta),
	}}
	r.edit = f
	r.start()
	return r, f
}

func (r *rig) set(text string, confirm time.Duration) (until time.Time, err error) {
	err = r.onLoop(func() error {
		until, err = r.gw.SetConfiguration(r.t.Context(), []byte(text), confirm)
		return err
	})
	return until, err
}

func (r *rig) confirm() error {
	return r.onLoop(func() error { return r.gw.Confirm(r.t.Context()) })
}

// wantText checks what runs, what the file holds, what a restart without a file would run, and what is staged.
func (r *rig) wantText(f *fileInMemory, running, file, lastGood, staged string) {
	r.t.Helper()
	var c Configuration
	err := r.onLoop(func() (err error) { c, err = r.gw.Configuration(r.t.Context()); return err })
	kept, keptErr := r.gw.opts.Store.LastGood()
	if err != nil || keptErr != nil {
		r.t.Fatal(err, keptErr)
	}
	if string(c.Text) != running || f.text != file || string(kept) != lastGood || f.staged != staged {
		r.t.Errorf("running %q, file %q, last good %q, staged %q; want %q, %q, %q, %q",
			c.Text, f.text, kept, f.staged, running, file, lastGood, staged)
	}
	if onTrial := !c.ConfirmBy.IsZero(); onTrial != (staged != "") {
		r.t.Errorf("to be confirmed by %v", c.ConfirmBy)
	}
}

func (r *rig) wantRecord(part string) {
	r.t.Helper()
	all := r.gw.Log().Since(0)
	if last := all[len(all)-1]; !strings.Contains(last.Message, part) {
		r.t.Errorf("the last record says %q, want %q", last.Message, part)
	}
}

func (r *rig) extensions() int { return len(r.plane.now.Extensions) }

func TestConfigurationForGood(t *testing.T) {
	r, f := onFile(t)
	if _, err := r.set("both\n", 0); err != nil {
		t.Fatal(err)
	}
	r.wantRecord("reloaded: added beta1")
	r.wantText(f, "both\n", "both\n", "both\n", "")
	r.wantBridge("beta1", state.Lowered, "")
	if err := r.confirm(); !errors.Is(err, ErrNoTrial) {
		t.Errorf("confirm: %v, want ErrNoTrial", err)
	}
}

func TestConfigurationIsConfirmed(t *testing.T) {
	r, f := onFile(t)
	until, err := r.set("both\n", time.Minute)
	if want := r.clock.t.Add(time.Minute); err != nil || !until.Equal(want) {
		t.Fatalf("until %v, %v; want %v", until, err, want)
	}
	r.wantRecord("added beta1; the former one comes back at 2026-11-22T08:01:00Z unless this is confirmed")
	r.wantText(f, "both\n", "the file\n", "the file\n", "both\n")
	if _, err := r.set("beta\n", time.Minute); !errors.Is(err, ErrUnconfirmed) {
		t.Errorf("a second trial: %v, want ErrUnconfirmed", err)
	}
	r.wantText(f, "both\n", "the file\n", "the file\n", "both\n")
	if err := r.confirm(); err != nil {
		t.Fatal(err)
	}
	r.clock.t = until.Add(time.Hour)
	r.tick()
	r.wantText(f, "both\n", "both\n", "both\n", "")
	if r.extensions() != 2 {
		t.Errorf("%d extensions in the kernel, want 2", r.extensions())
	}
}

func TestConfigurationIsRolledBack(t *testing.T) {
	r, f := onFile(t)
	until, err := r.set("beta\n", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	r.clock.t = until.Add(-time.Second)
	r.tick()
	r.wantText(f, "beta\n", "the file\n", "the file\n", "beta\n")
	r.clock.t = until
	r.tick()
	r.wantText(f, "the file\n", "the file\n", "the file\n", "")
	r.wantBridge("acme", state.Lowered, "")
	if !r.host.fit["eth2#3"] || r.host.fit["eth3#4"] {
		t.Errorf("NICs: %v", r.host.fit)
	}
	if err := r.confirm(); !errors.Is(err, ErrNoTrial) {
		t.Errorf("confirm: %v, want ErrNoTrial", err)
	}
}

// What the kernel refuses is tried again, and told once.
func TestRollBackIsTriedAgain(t *testing.T) {
	r, f := onFile(t)
	until, err := r.set("beta\n", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	r.clock.t = until
	r.steps.failAt = r.steps.count + 2
	since := r.lastSeq()
	r.tick()
	if got := r.kinds(since); len(got) != 1 || got[0] != "config-error " {
		t.Errorf("records %q, want one config-error", got)
	}
	r.wantText(f, "beta\n", "the file\n", "the file\n", "beta\n")
	r.clock.t = r.clock.t.Add(rollBackRetry)
	r.tick()
	r.wantText(f, "the file\n", "the file\n", "the file\n", "")
}

// An extension that cannot come up any more does not keep the others from coming back.
func TestRollBackToWhatIsUnfitByNow(t *testing.T) {
	r, f := onFile(t)
	until, err := r.set("beta\n", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	r.host.refuse["eth2"] = "driver says no"
	r.clock.t = until
	r.tick()
	r.wantText(f, "the file\n", "the file\n", "the file\n", "")
	if got := r.bridge("acme"); got.Bridge != state.Down || !strings.Contains(got.Reason, "driver says no") {
		t.Errorf("acme is %s (%s)", got.Bridge, got.Reason)
	}
}

func TestReloadEndsATrial(t *testing.T) {
	r, f := onFile(t)
	if _, err := r.set("beta\n", time.Minute); err != nil {
		t.Fatal(err)
	}
	r.src.err = errors.New("the file is faulty")
	if err := r.reload(r.src.cfg); err == nil {
		t.Error("a faulty file was taken")
	}
	r.wantText(f, "beta\n", "the file\n", "the file\n", "beta\n")
	r.src.err = nil
	if err := r.reload(r.src.cfg); err != nil {
		t.Fatal(err)
	}
	r.wantText(f, "the file\n", "the file\n", "the file\n", "")
}

func TestRestartEndsATrial(t *testing.T) {
	r, f := onFile(t)
	if _, err := r.set("beta\n", time.Minute); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.wantRecord("ended before its configuration was confirmed")
	r.wantText(f, "the file\n", "the file\n", "the file\n", "")
	r.wantBridge("acme", state.Lowered, "")
}

func TestConfigurationIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		spoil  func(r *rig, f *fileInMemory)
		want   string
		faulty bool
	}{
		"faulty":              {"bogus\n", func(*rig, *fileInMemory) {}, "configuration:4:1: the other", true},
		"contradicts":         {"both\n", func(r *rig, _ *fileInMemory) { r.host.add(veth("eth3", 4, "10.0.0.1/24")) }, "has the address 10.0.0.1/24", true},
		"kernel refuses":      {"both\n", func(r *rig, _ *fileInMemory) { r.steps.failAt = r.steps.count + 2 }, "apply to the data plane", false},
		"file cannot be kept": {"both\n", func(_ *rig, f *fileInMemory) { f.commitErr = errors.New("read-only") }, "read-only", false},
	} {
		t.Run(name, func(t *testing.T) {
			r, f := onFile(t)
			c.spoil(r, f)
			_, err := r.set(c.text, 0)
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrRefused) != c.faulty {
				t.Errorf("error %v, want %q; at fault: %v", err, c.want, errors.Is(err, ErrRefused))
			}
			r.wantText(f, "the file\n", "the file\n", "the file\n", "")
			if r.extensions() != 1 {
				t.Errorf("%d extensions in the kernel, want 1", r.extensions())
			}
		})
	}
}

func TestConfigurationOfFlags(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	if err := r.boot().Start(r.src.cfg, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.set("both\n", 0); !errors.Is(err, ErrNoText) {
		t.Errorf("set: %v, want ErrNoText", err)
	}
	err := r.onLoop(func() error { _, err := r.gw.Configuration(t.Context()); return err })
	if !errors.Is(err, ErrNoText) {
		t.Errorf("read: %v, want ErrNoText", err)
	}
	if err := r.confirm(); !errors.Is(err, ErrNoTrial) {
		t.Errorf("confirm: %v, want ErrNoTrial", err)
	}
}
