// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// manualCommand writes what packages install beside the binary: of the commands themselves the manual pages and the
// shells' completions, and of the reference the page of the configuration.
func manualCommand(root *cobra.Command) *cobra.Command {
	var configuration string
	c := &cobra.Command{
		Use:    "manual DIRECTORY",
		Short:  "Write the manual pages and the shells' completions below a directory",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			files := manual(root)
			if configuration != "" {
				text, err := os.ReadFile(configuration)
				if err != nil {
					return err
				}
				files["man5/drawbridge.yaml.5"] = func(w io.Writer) error { return configurationPage(w, string(text)) }
			}
			return writeManual(files, args[0])
		},
	}
	c.Flags().StringVar(&configuration, "configuration", "", "the reference of the configuration, a `file` in Markdown")
	return c
}

// manualFiles are written by these, by name.
type manualFiles map[string]func(io.Writer) error

// manual is a page for the program and for each command, and completions for three shells.
func manual(root *cobra.Command) manualFiles {
	root.InitDefaultCompletionCmd()
	files := manualFiles{
		"man8/drawbridge.8":      func(w io.Writer) error { return overview(w, root) },
		"completion/bash":        func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"completion/_drawbridge": root.GenZshCompletion,
		"completion/fish":        func(w io.Writer) error { return root.GenFishCompletion(w, true) },
	}
	for _, c := range documented(root) {
		files["man8/drawbridge-"+c.Name()+".8"] = func(w io.Writer) error { return commandPage(w, c) }
	}
	return files
}

func writeManual(files manualFiles, dir string) error {
	for name, write := range files {
		if err := writeManualFile(filepath.Join(dir, name), write); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

func writeManualFile(file string, write func(io.Writer) error) error {
	var text bytes.Buffer
	if err := write(&text); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, text.Bytes(), 0o644)
}

// documented are the commands that have a page.
func documented(root *cobra.Command) (all []*cobra.Command) {
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" && c.Name() != "completion" {
			all = append(all, c)
		}
	}
	return all
}

// overview is the page of the program.
func overview(w io.Writer, root *cobra.Command) error {
	p := page{w: w}
	p.head("drawbridge", root.Short)
	p.section("SYNOPSIS")
	p.line(".B drawbridge")
	p.line("COMMAND [OPTIONS]")
	p.section("DESCRIPTION")
	p.text("Drawbridge joins customers' VLANs to overlay segments, and keeps what goes wrong on the customers' side from spilling past it. " +
		"Programs, links and tables live in the kernel: the daemon may end, and forwarding and guards go on.")
	p.section("COMMANDS")
	for _, c := range documented(root) {
		p.term(c.Name(), c.Short+".")
	}
	p.section("EXIT STATUS")
	for _, e := range [][2]string{
		{"0", "done; status: every extension is lowered; doctor: no error"},
		{"1", "failed; for commands that need the daemon, also that there is none"},
		{"2", "the configuration is faulty; the command line is"},
		{"3", "status: an extension is half-raised, raised or down; doctor: something is wrong"},
	} {
		p.term(e[0], e[1])
	}
	p.section("ENVIRONMENT")
	p.term("DRAWBRIDGE_SOCKET", "the socket of another daemon, for the commands that need one")
	p.term("NO_COLOR", "no colours, on a terminal either")
	p.section("FILES")
	p.term("/etc/drawbridge/drawbridge.yaml", "the configuration")
	p.term("/run/drawbridge/api.sock", "the API")
	p.term("/var/lib/drawbridge", "last good configuration, event log")
	p.term("/sys/fs/bpf/drawbridge/NAME", "what forwards")
	p.section("SEE ALSO")
	var pages []string
	for _, c := range documented(root) {
		pages = append(pages, ".BR drawbridge-"+c.Name()+" (8)")
	}
	p.line(strings.Join(append(pages, ".BR drawbridge.yaml (5)"), " ,\n"))
	return p.err
}

// commandPage is the page of one command.
func commandPage(w io.Writer, c *cobra.Command) error {
	c.InitDefaultHelpFlag()
	p := page{w: w}
	p.head("drawbridge-"+c.Name(), c.Short)
	p.section("SYNOPSIS")
	p.line(".B drawbridge")
	p.line(escape(strings.TrimPrefix(c.UseLine(), "drawbridge ")))
	p.section("DESCRIPTION")
	long := c.Long
	if long == "" {
		long = c.Short + "."
	}
	p.text(long)
	p.section("OPTIONS")
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			p.flag(f)
		}
	})
	if c.Example != "" {
		p.section("EXAMPLES")
		p.example(c.Example)
	}
	p.section("SEE ALSO")
	p.line(".BR drawbridge (8)")
	return p.err
}

// page writes roff with the man macros (man 7 man). Err is the first that came up.
type page struct {
	w   io.Writer
	err error
}

func (p *page) line(s string) {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.w, s)
	}
}

func (p *page) head(name, short string) {
	p.line(fmt.Sprintf(`.TH %q 8 "" "Drawbridge"`, strings.ToUpper(name)))
	p.section("NAME")
	p.line(escape(name) + ` \- ` + escape(strings.ToLower(short[:1])+short[1:]))
}

func (p *page) section(title string) { p.line(".SH " + title) }

// text writes paragraphs, which are separated by empty lines.
func (p *page) text(s string) {
	for i, paragraph := range strings.Split(s, "\n\n") {
		if i > 0 {
			p.line(".PP")
		}
		p.line(escape(strings.Join(strings.Fields(paragraph), " ")))
	}
}

func (p *page) term(name, meaning string) {
	p.line(".TP")
	p.line(".B " + escape(name))
	p.line(escape(meaning))
}

// flag writes an option as help does: its names, what it takes, what it does and its default.
func (p *page) flag(f *pflag.Flag) {
	takes, usage := pflag.UnquoteUsage(f)
	name := "--" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", " + name
	}
	if takes != "" {
		name += " " + takes
	}
	switch f.DefValue {
	case "", "[]", "false", "0":
	default:
		usage += " (default " + f.DefValue + ")"
	}
	p.term(name, usage)
}

func (p *page) example(s string) {
	p.line(".nf")
	for line := range strings.Lines(s) {
		p.line(escape(strings.TrimRight(line, "\n")))
	}
	p.line(".fi")
}

// escape makes text safe: a backslash, a hyphen that is to be copied, what is not ASCII, and a control character at the
// beginning of a line.
func escape(s string) string {
	var b strings.Builder
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		b.WriteString(`\&`)
	}
	for _, r := range s {
		switch {
		case r == '\\':
			b.WriteString(`\e`)
		case r == '-':
			b.WriteString(`\-`)
		case r >= 128:
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
