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

// units are the compiler's: name in bpf/ and object in dataplane/abi.
var units = []struct{ source, object string }{
	{"tc.bpf.c", "tc_bpfel.o"}, {"xdp.bpf.c", "xdp_bpfel.o"}, {"admin.bpf.c", "admin_bpfel.o"},
}

// objects are compiled BPF objects by file name.
type objects map[string][]byte

// errRefused says that the compiler does not take a mutant.
var errRefused = errors.New("does not compile")

// compile makes the objects of those units in dir that include the file.
func compile(dir, file string) (objects, error) {
	made := make(objects)
	for _, u := range units {
		if !includes(dir, u.source, file) {
			continue
		}
		object, err := compileUnit(dir, u.source)
		if err != nil {
			return nil, err
		}
		made[u.object] = object
	}
	return made, nil
}

// includes: file "" stands for any.
func includes(dir, source, file string) bool {
	out, err := exec.Command("clang-14", "-target", "bpfel", "-I"+dir, "-MM", filepath.Join(dir, source)).Output()
	return err != nil || slices.Contains(strings.Fields(string(out)), filepath.Join(dir, file)) || file == ""
}

// compileUnit compiles with the flags of make generate, but warnings are no errors: a mutant may leave something unused.
func compileUnit(dir, source string) ([]byte, error) {
	object := filepath.Join(dir, source+".o")
	cc := exec.Command("clang-14", "-O2", "-g", "-mcpu=v3", "-w", "-target", "bpfel", "-fno-ident",
		"-fdebug-compilation-dir=.", "-fdebug-prefix-map="+dir+"=../../bpf", "-I"+dir, "-c", filepath.Join(dir, source), "-o", object)
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

// sameCode: two sets of objects hold the same instructions, data and relocations; only what tells lines differs. Objects
// that b does not have are the same.
func sameCode(a, b objects) (bool, error) {
	for name := range b {
		x, err := code(a[name])
		if err != nil {
			return false, err
		}
		y, err := code(b[name])
		if err != nil {
			return false, err
		}
		if !bytes.Equal(x, y) {
			return false, nil
		}
	}
	return true, nil
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
