// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// unit is what the compiler makes one object of: its name in bpf/, the object's in dataplane/abi, and what it includes.
type unit struct {
	source, object string
	files          []string
}

// unitsOf asks the compiler what each unit in dir includes.
func unitsOf(dir string) ([]unit, error) {
	var list []unit
	for _, name := range []string{"tc", "xdp", "admin"} {
		u := unit{source: name + ".bpf.c", object: name + "_bpfel.o"}
		out, err := exec.Command("clang-14", "-target", "bpfel", "-I"+dir, "-MM", filepath.Join(dir, u.source)).Output()
		if err != nil {
			return nil, fmt.Errorf("ask what %s includes: %w", u.source, err)
		}
		for _, path := range strings.Fields(string(out)) {
			u.files = append(u.files, filepath.Base(path))
		}
		list = append(list, u)
	}
	return list, nil
}

func (u *unit) includes(file string) bool { return slices.Contains(u.files, file) }

// objects are compiled BPF objects by file name.
type objects map[string][]byte

// errRefused says that the compiler does not take a mutant.
var errRefused = errors.New("does not compile")

// compile compiles with the flags of make generate, but warnings are no errors: a mutant may leave something unused.
func (u *unit) compile(dir string) ([]byte, error) {
	object := filepath.Join(dir, u.source+".o")
	cc := exec.Command("clang-14", "-O2", "-g", "-mcpu=v3", "-w", "-target", "bpfel", "-fno-ident",
		"-fdebug-compilation-dir=.", "-fdebug-prefix-map="+dir+"=../../bpf", "-I"+dir, "-c", filepath.Join(dir, u.source), "-o", object)
	apart(cc)
	out, err := cc.CombinedOutput()
	if cc.ProcessState == nil || !cc.ProcessState.Exited() {
		return nil, fmt.Errorf("run clang-14: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s", errRefused, firstLine(out))
	}
	if out, err := exec.Command("llvm-strip-14", "-g", object).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("strip %s: %w: %s", object, err, out)
	}
	return os.ReadFile(object)
}

// apart keeps the user's Ctrl-C from a program: what has begun is judged to its end.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	return line
}

// sameCode: two objects hold the same instructions, data and relocations; only what tells lines differs.
func sameCode(a, b []byte) (bool, error) {
	x, err := code(a)
	if err != nil {
		return false, err
	}
	y, err := code(b)
	return bytes.Equal(x, y), err
}

// code is what of an object the kernel runs.
func code(object []byte) ([]byte, error) {
	f, err := elf.NewFile(bytes.NewReader(object))
	if err != nil {
		return nil, fmt.Errorf("read object: %w", err)
	}
	var all []byte
	for _, s := range f.Sections {
		relocates := s.Type == elf.SHT_REL && !strings.Contains(s.Name, ".BTF")
		if !relocates && (s.Type != elf.SHT_PROGBITS || s.Flags&elf.SHF_ALLOC == 0) {
			continue
		}
		data, err := s.Data()
		if err != nil {
			return nil, fmt.Errorf("read section %s: %w", s.Name, err)
		}
		all = append(append(all, s.Name...), data...)
	}
	return all, nil
}
