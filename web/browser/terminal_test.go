// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"bytes"
	"fmt"
	"html"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a program in a terminal of its own: a view that draws whole frames, each from the upper left corner.
type terminal struct {
	pty *os.File

	mu      sync.Mutex
	written []byte // since the frame before the last one
}

// The size of all terminals.
const (
	columns = 124
	rows    = 26
)

// openTerminal runs a program in a terminal until the test ends.
func openTerminal(t *testing.T, name string, args ...string) *terminal {
	t.Helper()
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	must(t, err)
	must(t, unix.IoctlSetPointerInt(int(pty.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(pty.Fd()), unix.TIOCGPTN)
	must(t, err)
	must(t, unix.IoctlSetWinsize(int(pty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}))
	end, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	must(t, err)
	c := exec.Command(name, args...)
	c.Stdin, c.Stdout, c.Stderr = end, end, end
	c.Env = append(os.Environ(), "TERM=xterm-256color", "NO_COLOR=")
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	must(t, c.Start())
	end.Close()
	term := &terminal{pty: pty}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		term.read()
	}()
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		<-ended // the terminal is gone when nobody has its other end
		pty.Close()
	})
	return term
}

func (term *terminal) read() {
	buf := make([]byte, 1<<16)
	for {
		n, err := term.pty.Read(buf)
		if err != nil {
			return
		}
		term.mu.Lock()
		term.written = append(term.written, buf[:n]...)
		term.mu.Unlock()
	}
}

// press types.
func (term *terminal) press(t *testing.T, keys string) {
	t.Helper()
	_, err := term.pty.WriteString(keys)
	must(t, err)
}

// wait waits for a whole frame that has all of these texts, and returns its lines as they were painted.
func (term *terminal) wait(t *testing.T, texts ...string) []string {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(deadline); ; <-tick.C {
		frame := term.frame()
		has := 0
		for _, text := range texts {
			if strings.Contains(colours.ReplaceAllString(frame, ""), text) {
				has++
			}
		}
		if has == len(texts) && frame != "" {
			return strings.Split(frame, "\r\n")
		}
		if time.Now().After(end) {
			t.Fatalf("the terminal does not show %q:\n%s", texts, frame)
		}
	}
}

// frame is the last one that is whole.
func (term *terminal) frame() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	all := term.written
	end := bytes.LastIndex(all, []byte("\x1b[J"))
	if end < 0 {
		return ""
	}
	begin := bytes.LastIndex(all[:end], []byte("\x1b[H"))
	if begin < 0 {
		return ""
	}
	term.written = bytes.Clone(all[begin:])
	return strings.ReplaceAll(string(all[begin+3:end]), "\x1b[K", "")
}

var colours = regexp.MustCompile("\x1b\\[([0-9]*)m")

// markup is painted text as HTML, with a span of class c1, c31 … for each colour.
func markup(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		open := false
		at := 0
		for _, m := range colours.FindAllStringSubmatchIndex(line, -1) {
			b.WriteString(html.EscapeString(line[at:m[0]]))
			at = m[1]
			if open {
				b.WriteString("</span>")
			}
			code := line[m[2]:m[3]]
			open = code != "0" && code != ""
			if open {
				fmt.Fprintf(&b, `<span class="c%s">`, code)
			}
		}
		b.WriteString(html.EscapeString(line[at:]))
		if open {
			b.WriteString("</span>")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// terminalStyle is a terminal of two colour schemes.
const terminalStyle = `
:root { color-scheme: light dark; --ground: #ffffff; --edge: #dcdfe6; --text: #1b1f27; --red: #a61b1b; --green: #17713a; --yellow: #8a4b00; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171d; --edge: #2d3440; --text: #d7dce4; --red: #ff9c9c; --green: #7ddc9d; --yellow: #ffc36b; } }
body { margin: 0; background: var(--ground); }
pre { display: inline-block; margin: 0; padding: 12px 14px; border: 1px solid var(--edge); color: var(--text); background: var(--ground); font: 13px/1.3 "DejaVu Sans Mono", monospace; }
.c1 { font-weight: 700; } .c7 { background: var(--text); color: var(--ground); } .c31 { color: var(--red); } .c32 { color: var(--green); } .c33 { color: var(--yellow); }`

// paint opens a tab that shows painted lines as a terminal does.
func (c *chromium) paint(lines []string, scheme string) *tab {
	p := c.open("about:blank", size{1200, 700, false}, scheme)
	p.eval(fmt.Sprintf(`document.documentElement.innerHTML = %q`, "<head><style>"+terminalStyle+"</style></head><body><pre>"+markup(lines)+"</pre></body>"), nil)
	return p
}

func TestMarkup(t *testing.T) {
	got := markup([]string{"a \x1b[31m<b>\x1b[0m c", "\x1b[7mall"})
	if want := "a <span class=\"c31\">&lt;b&gt;</span> c\n<span class=\"c7\">all</span>\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
