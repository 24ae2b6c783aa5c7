// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// asDrawbridge in the environment makes the test binary the program.
const asDrawbridge = "DRAWBRIDGE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asDrawbridge) != "" {
		os.Exit(run())
	}
	os.Exit(m.Run())
}

// pageBlock is a block of commands of a page, and lines that must be among what it prints.
type pageBlock struct {
	commands string
	like     []string
}

// TestPagesRun runs the pages of the documentation that have blocks marked "sh run", each page from its first block to
// its last in one shell, and compares what a block prints with the block "text like" behind it.
func TestPagesRun(t *testing.T) {
	ran := 0
	for name, text := range pages(t) {
		if blocks := runnable(text); len(blocks) > 0 {
			ran++
			t.Run(name, func(t *testing.T) { runPage(t, blocks) })
		}
	}
	if ran < 4 {
		t.Errorf("%d pages ran", ran)
	}
}

// pages are the pages of the documentation by name.
func pages(t *testing.T) map[string]string {
	t.Helper()
	root, all := os.DirFS("../../docs"), map[string]string{}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".md" {
			return err
		}
		text, err := fs.ReadFile(root, name)
		all[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var fencedBlock = regexp.MustCompile("(?ms)^```(sh run|text like)\n(.*?)^```$")

func runnable(text string) (blocks []pageBlock) {
	for _, m := range fencedBlock.FindAllStringSubmatch(text, -1) {
		if m[1] == "sh run" {
			blocks = append(blocks, pageBlock{commands: m[2]})
			continue
		}
		if n := len(blocks); n > 0 {
			blocks[n-1].like = strings.Split(strings.TrimSpace(m[2]), "\n")
		}
	}
	return blocks
}

// sandbox gives a page namespaces, a BPF file system and a /run of its own, which end with its shell.
const sandbox = `mount -t tmpfs none /run && mount -t bpf none /sys/fs/bpf && exec bash "$0"`

// pageLimit is the longest that a page may take.
const pageLimit = 2 * time.Minute

func runPage(t *testing.T, blocks []pageBlock) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "drawbridge")); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "page.sh")
	if err := os.WriteFile(script, []byte(pageScript(blocks)), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), pageLimit)
	defer cancel()
	// As the first process of a process namespace: what it started ends with it.
	c := exec.CommandContext(ctx, "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", sandbox, script)
	c.Dir = dir
	c.Env = append(os.Environ(), asDrawbridge+"=1", "PATH="+dir+":"+os.Getenv("PATH"), "NO_COLOR=1")
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err = c.Run()
	printed := strings.Split(out.String(), blockMark+"\n")
	if err != nil {
		t.Fatalf("block %d: %v\n%s", len(printed)-1, err, out.String())
	}
	for i, b := range blocks {
		wantLike(t, b, printed[i+1])
	}
}

const blockMark = "=== next block ==="

// pageScript joins the blocks into one script that ends at the first failure.
func pageScript(blocks []pageBlock) string {
	var b strings.Builder
	b.WriteString("set -euo pipefail\nset -m\nshopt -s expand_aliases\n")
	for _, block := range blocks {
		fmt.Fprintf(&b, "echo %q\n%s", blockMark, block.commands)
	}
	return b.String()
}

// wantLike checks that each expected line is printed, in any order. An ellipsis stands for anything.
func wantLike(t *testing.T, b pageBlock, printed string) {
	t.Helper()
	for _, line := range b.like {
		parts := strings.Split(line, "…")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		if !regexp.MustCompile("(?m)^" + strings.Join(parts, ".*") + "$").MatchString(printed) {
			t.Errorf("no line like %q is printed by\n%s\nbut\n%s", line, b.commands, printed)
		}
	}
}

func TestRunnableBlocks(t *testing.T) {
	blocks := runnable("a\n```sh\nno\n```\n```sh run\nyes\n```\n```text like\none\ntwo\n```\n```sh run\nmore\n```\n")
	if len(blocks) != 2 || blocks[0].commands != "yes\n" || len(blocks[0].like) != 2 || blocks[1].like != nil {
		t.Errorf("%+v", blocks)
	}
}
