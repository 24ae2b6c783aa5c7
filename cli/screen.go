// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// screen is a terminal that shows one frame after the other, without echo and without waiting for line ends.
type screen struct {
	in, out *os.File
	before  unix.Termios
}

const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // the alternate screen, without a cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
)

// openScreen prepares a terminal; close puts it back. Ctrl-C stays a signal.
func openScreen(in, out *os.File) (*screen, error) {
	before, err := unix.IoctlGetTermios(int(in.Fd()), unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("read the terminal's settings: %w", err)
	}
	raw := *before
	raw.Lflag &^= unix.ICANON | unix.ECHO | unix.IEXTEN
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	raw.Cc[unix.VSUSP] = 0 // stopped by Ctrl-Z, it would leave the terminal like this
	if err := unix.IoctlSetTermios(int(in.Fd()), unix.TCSETS, &raw); err != nil {
		return nil, fmt.Errorf("set the terminal up: %w", err)
	}
	s := &screen{in: in, out: out, before: *before}
	_, err = out.WriteString(enterScreen)
	if err != nil {
		return nil, fmt.Errorf("print: %w", err)
	}
	return s, nil
}

// close puts the terminal back as it was. What fails here cannot be told anywhere.
func (s *screen) close() {
	_, _ = s.out.WriteString(leaveScreen)
	_ = unix.IoctlSetTermios(int(s.in.Fd()), unix.TCSETS, &s.before)
}

// size is columns and lines; a terminal that does not tell is taken for the classic one.
func (s *screen) size() (width, height int) {
	size, err := unix.IoctlGetWinsize(int(s.out.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 || size.Row == 0 {
		return 80, 24
	}
	return int(size.Col), int(size.Row)
}

// show draws a frame over the last one. Each line clears what stood behind it.
func (s *screen) show(lines []string) error {
	var b strings.Builder
	b.WriteString("\x1b[H")
	for i, line := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(line + "\x1b[K")
	}
	b.WriteString("\x1b[J")
	if _, err := s.out.WriteString(b.String()); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// terminals are the two ends of a terminal, when both are one.
func terminals(in, out any) (*os.File, *os.File, bool) {
	i, isIn := in.(*os.File)
	o, isOut := out.(*os.File)
	if !isIn || !isOut || !isTerminal(i) || !isTerminal(o) || os.Getenv("TERM") == "dumb" {
		return nil, nil, false
	}
	return i, o, true
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
