// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/drawbridge-l2/drawbridge/api"
)

// topInterval is the time between two readings.
const topInterval = time.Second

func topCommand() *cobra.Command {
	var o options
	return prepare(&cobra.Command{
		Use:   "top",
		Short: "Watch the extensions live: what hurts comes first",
		Long: "Watch the extensions live: bridges that are not lowered come first, then drops, then traffic.\n\n" +
			"Keys: arrows or j and k move, enter shows one extension, r raises it, l lowers it (both ask first), e shows\n" +
			"the events, s sorts otherwise, esc goes back, q ends.\n\n" +
			"With -o json, or when the output is no terminal, one reading is printed: the rates of one second.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client := o.client()
			defer client.Close()
			in, out, live := terminals(c.InOrStdin(), c.OutOrStdout())
			if o.json() || !live {
				return printTop(c.Context(), c.OutOrStdout(), client, o.json())
			}
			return watchTop(c.Context(), in, out, client)
		},
	}, &o)
}

// topReading is the document of `top -o json`: the rates between two readings.
type topReading struct {
	Gateway    string   `json:"gateway"`
	Seconds    float64  `json:"seconds"` // between the two
	Extensions []topRow `json:"extensions"`
}

// printTop prints one reading.
func printTop(ctx context.Context, w io.Writer, client *api.Client, asJSON bool) error {
	m := newTopModel()
	first, began, err := readTop(ctx, client)
	if err != nil {
		return err
	}
	m.take(first, began)
	select {
	case <-time.After(topInterval):
	case <-ctx.Done():
		return ctx.Err()
	}
	second, ended, err := readTop(ctx, client)
	if err != nil {
		return err
	}
	m.take(second, ended)
	if asJSON {
		return printJSON(w, topReading{Gateway: m.gateway.Name, Seconds: ended.Sub(began).Seconds(), Extensions: m.rows})
	}
	m.selected, m.width = "", 1<<10
	lines := append(append(m.head(palette{}), ""), m.listLines(palette{}, ended, len(m.rows))...)
	if _, err := io.WriteString(w, strings.Join(lines, "\n")+"\n"); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func readTop(ctx context.Context, client *api.Client) (*api.Table, time.Time, error) {
	t, err := client.Table(ctx)
	return &t, time.Now(), err
}

// watchTop shows the view until somebody ends it.
func watchTop(ctx context.Context, in, out *os.File, client *api.Client) error {
	first, at, err := readTop(ctx, client) // before the screen is taken: without a daemon there is nothing to see
	if err != nil {
		return err
	}
	s, err := openScreen(in, out)
	if err != nil {
		return err
	}
	defer s.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t := &top{model: newTopModel(), client: client, screen: s, palette: paletteFor(out), updates: make(chan func(*topModel), 16), wake: make(chan struct{}, 1)}
	t.model.take(first, at)
	return t.run(ctx)
}

// top connects the model with the terminal and the daemon. Only run touches the model.
type top struct {
	model   *topModel
	client  *api.Client
	screen  *screen
	palette palette
	updates chan func(*topModel) // what came from the daemon
	wake    chan struct{}        // read now, not only in a second
}

func (t *top) run(ctx context.Context) error {
	keys := make(chan key)
	go readKeys(ctx, t.screen.in, keys)
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	defer signal.Stop(resized)
	watched := make(chan string, 1) // the extension in sight; empty: none
	seen := ""
	go t.read(ctx, watched)
	go t.follow(ctx)
	for {
		t.model.resize(t.screen.size())
		if err := t.screen.show(t.model.lines(t.palette, time.Now())); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-resized:
		case update := <-t.updates:
			update(t.model)
		case k, more := <-keys:
			if !more {
				return nil // the terminal is gone
			}
			if done := t.do(ctx, t.model.press(k)); done {
				return nil
			}
			if t.model.watched() != seen {
				seen = t.model.watched()
				tell(watched, seen)
				t.wakeUp()
			}
		}
	}
}

// tell replaces what waits in a channel of one, of which the caller is the only writer.
func tell(ch chan string, v string) {
	select {
	case <-ch:
	default:
	}
	ch <- v
}

// wakeUp asks for a reading before the second is over.
func (t *top) wakeUp() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// watched is the extension whose reasons are to be read.
func (m *topModel) watched() string {
	if m.pane == paneExtension {
		return m.selected
	}
	return ""
}

// do does what somebody wants; it reports whether that is to end.
func (t *top) do(ctx context.Context, w wish) (end bool) {
	change := map[string]func(context.Context) error{
		actRaise: func(ctx context.Context) error { return t.client.Raise(ctx, w.extension, "") },
		actLower: func(ctx context.Context) error { return t.client.Lower(ctx, w.extension) },
	}[w.act]
	if change == nil {
		return w.act == actQuit
	}
	t.model.notice = fmt.Sprintf("%s %s …", w.act, clean(w.extension))
	go func() {
		err := change(ctx)
		notice := fmt.Sprintf("%s %s: done", w.act, clean(w.extension))
		if err != nil {
			notice = fmt.Sprintf("%s %s: %s", w.act, clean(w.extension), clean(err.Error()))
		}
		t.update(ctx, func(m *topModel) { m.notice = notice })
		t.wakeUp()
	}()
	return false
}

func (t *top) update(ctx context.Context, f func(*topModel)) {
	select {
	case t.updates <- f:
	case <-ctx.Done():
	}
}

// read reads again and again: a second after the last one, or when it is woken.
func (t *top) read(ctx context.Context, watched <-chan string) {
	ticker := time.NewTicker(topInterval)
	defer ticker.Stop()
	name := ""
	for full := true; ctx.Err() == nil; {
		if full {
			t.readAll(ctx)
		}
		t.readOne(ctx, name)
		select {
		case <-ctx.Done():
		case <-ticker.C:
			full = true
		case <-t.wake:
			full = false // rates of a moment say nothing; the extension in sight comes at once
		}
		select {
		case name = <-watched:
		default:
		}
	}
}

func (t *top) readAll(ctx context.Context) {
	table, at, err := readTop(ctx, t.client)
	t.update(ctx, func(m *topModel) {
		if err != nil {
			m.fault = clean(err.Error())
			return
		}
		m.take(table, at)
	})
}

// readOne reads the extension in sight, if there is one.
func (t *top) readOne(ctx context.Context, name string) {
	if name == "" {
		return
	}
	st, err := t.client.StatusOf(ctx, name)
	at := time.Now()
	t.update(ctx, func(m *topModel) {
		switch {
		case errors.Is(err, api.ErrNotFound):
			m.notice = clean(err.Error())
			m.takeDetail(nil, at)
		case err == nil && len(st.Extensions) == 1:
			m.takeDetail(&st.Extensions[0], at)
		}
	})
	if sources, err := t.client.Sources(ctx, name); err == nil {
		t.update(ctx, func(m *topModel) { m.takeSources(name, sources) })
	}
}

// follow takes the event log, over restarts of the daemon too.
func (t *top) follow(ctx context.Context) {
	take := func(e api.Event) error {
		t.update(ctx, func(m *topModel) { m.takeEvent(e) })
		return nil
	}
	err := t.client.Follow(ctx, 0, take, func(string) {}) // a lost connection shows in the readings
	if err != nil && ctx.Err() == nil {
		t.update(ctx, func(m *topModel) { m.notice = "events: " + clean(err.Error()) })
	}
}

// readKeys hands over what is typed until the terminal ends. It may go on waiting when nobody takes keys any
// more: the program ends then.
func readKeys(ctx context.Context, in io.Reader, keys chan<- key) {
	defer close(keys)
	buf := make([]byte, 256)
	for {
		n, err := in.Read(buf)
		if err != nil {
			return
		}
		for _, k := range keysOf(buf[:n]) {
			select {
			case keys <- k:
			case <-ctx.Done():
				return
			}
		}
	}
}
