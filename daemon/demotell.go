// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// demoStep is what became of one step, as `demo -o json` prints it.
type demoStep struct {
	Name    string         `json:"name"`
	OK      bool           `json:"ok"`
	Skipped string         `json:"skipped,omitempty"` // why there was nothing to check
	Error   string         `json:"error,omitempty"`
	Seconds float64        `json:"seconds"`
	Figures map[string]any `json:"figures"`
}

// demoReport is what `demo -o json` prints.
type demoReport struct {
	OK           bool       `json:"ok"`
	Version      string     `json:"version"`
	Engine       string     `json:"engine"`
	EngineReason string     `json:"engine_reason"`
	Seconds      float64    `json:"seconds"`
	Steps        []demoStep `json:"steps"`
}

func newDemoReport(d *demo) demoReport {
	r := demoReport{
		OK: true, Version: thisBuild().Version, Engine: d.engineRunning, EngineReason: d.engineReason,
		Seconds: rounded(d.took), Steps: d.tell.steps,
	}
	for _, s := range d.tell.steps {
		r.OK = r.OK && s.OK
	}
	return r
}

func rounded(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// teller tells the story: as text while it happens, and as steps to be printed at the end.
type teller struct {
	w      io.Writer // io.Discard when only the steps are wanted
	colour bool
	steps  []demoStep
	began  time.Time // of the last step
}

func newTeller(w io.Writer, stepsOnly bool) *teller {
	if stepsOnly {
		return &teller{w: io.Discard}
	}
	return &teller{w: w, colour: wantsColour(w)}
}

// wantsColour is true on a terminal, unless NO_COLOR is set (no-color.org) or the terminal is dumb.
func wantsColour(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// The colours that the demo uses (ECMA-48 §8.3.117).
const (
	sgrBold   = "1"
	sgrRed    = "31"
	sgrGreen  = "32"
	sgrYellow = "33"
)

func (t *teller) paint(text, sgr string) string {
	if !t.colour {
		return text
	}
	return "\x1b[" + sgr + "m" + text + "\x1b[0m"
}

// line prints a line of its own. Errors of writing are left to SIGPIPE, which ends the story.
func (t *teller) line(format string, values ...any) {
	fmt.Fprintf(t.w, format+"\n", values...)
}

// begin starts a step.
func (t *teller) begin(name, title string) {
	t.began = time.Now()
	t.steps = append(t.steps, demoStep{Name: name, Figures: map[string]any{}})
	t.line("%s", t.paint(fmt.Sprintf("%2d  %s", len(t.steps), title), sgrBold))
}

func (t *teller) step() *demoStep { return &t.steps[len(t.steps)-1] }

// ok tells of a check that held.
func (t *teller) ok(format string, values ...any) {
	t.mark("ok", sgrGreen, fmt.Sprintf(format, values...))
}

// note tells what is no check.
func (t *teller) note(format string, values ...any) { t.mark("", "", fmt.Sprintf(format, values...)) }

// figure keeps a figure for the summary.
func (t *teller) figure(name string, value any) { t.step().Figures[name] = value }

// skip says why a step has nothing to check.
func (t *teller) skip(reason string) {
	t.step().Skipped = reason
	t.mark("skipped", sgrYellow, reason)
}

// skipped names the steps that were skipped, for the last line; empty when none was.
func (t *teller) skipped() string {
	text := ""
	for _, s := range t.steps {
		if s.Skipped != "" {
			text += ", without " + s.Name
		}
	}
	return text
}

// end ends the step.
func (t *teller) end(err error) {
	s := t.step()
	s.Seconds, s.OK = rounded(time.Since(t.began)), err == nil
	if err != nil {
		s.Error = err.Error()
	}
	switch {
	case errors.Is(err, errInterrupted):
		t.mark("stopped", sgrYellow, err.Error())
	case err != nil:
		t.mark("FAILED", sgrRed, err.Error())
	}
	t.line("")
}

const (
	storyIndent = 8  // columns in front of a step's text; a short mark is there
	storyWidth  = 79 // of a line
)

// mark prints text behind a mark such as "ok", and breaks it into lines that fit a terminal.
func (t *teller) mark(mark, sgr, text string) {
	indent := strings.Repeat(" ", storyIndent)
	head, width := indent, storyIndent
	if mark != "" {
		plain := fmt.Sprintf("    %-2s  ", mark)
		head, width = strings.Replace(plain, mark, t.paint(mark, sgr), 1), len(plain)
	}
	for _, line := range wrap(text, storyWidth-width) {
		t.line("%s", strings.TrimRight(head+line, " "))
		head = indent
	}
}

// wrap breaks text at blanks into lines of at most width letters; a longer word gets a line of its own. Line ends stay.
func wrap(text string, width int) []string {
	var lines []string
	for paragraph := range strings.SplitSeq(text, "\n") {
		lines = append(lines, wrapParagraph(paragraph, width)...)
	}
	return lines
}

func wrapParagraph(text string, width int) []string {
	if len([]rune(text)) <= width {
		return []string{text} // its own blanks stay: it may be a row of a table
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
