// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// room is left behind each embedded object: a mutant may be longer.
const room = 64 << 10

// testBinary is the compiled tests of ./dataplane, and where in it the objects are.
type testBinary struct {
	content []byte
	places  map[string][]int // by object's name; each is embedded more than once
	size    map[string]int
}

// buildTests builds the tests once, over objects with room behind them.
func buildTests(root, work string, base objects) (*testBinary, error) {
	replace := make(map[string]string)
	b := &testBinary{places: make(map[string][]int), size: make(map[string]int)}
	for name, object := range base {
		padded := filepath.Join(work, name)
		content := append(bytes.Clone(object), make([]byte, room)...)
		if err := os.WriteFile(padded, content, 0o644); err != nil {
			return nil, err
		}
		replace[filepath.Join(root, "dataplane/abi", name)] = padded
		b.size[name] = len(content)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(work, "overlay.json"), overlay, 0o644); err != nil {
		return nil, err
	}
	path := filepath.Join(work, "dataplane.test")
	build := exec.Command("go", "test", "-c", "-overlay", filepath.Join(work, "overlay.json"), "-o", path, "./dataplane")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the tests: %w: %s", err, out)
	}
	if b.content, err = os.ReadFile(path); err != nil {
		return nil, err
	}
	return b, b.find(base)
}

func (b *testBinary) find(base objects) error {
	for name, object := range base {
		for at := 0; ; {
			i := bytes.Index(b.content[at:], object)
			if i < 0 {
				break
			}
			b.places[name] = append(b.places[name], at+i)
			at += i + b.size[name]
		}
		if len(b.places[name]) == 0 {
			return fmt.Errorf("the tests' binary does not embed %s", name)
		}
	}
	return nil
}

// write writes the binary with other objects in it.
func (b *testBinary) write(path string, changed objects) error {
	content := bytes.Clone(b.content)
	for name, object := range changed {
		if len(object) > b.size[name] {
			return errors.New("a mutant's object is too long")
		}
		for _, at := range b.places[name] {
			n := copy(content[at:at+b.size[name]], object)
			clear(content[at+n : at+b.size[name]])
		}
	}
	return os.WriteFile(path, content, 0o755)
}
