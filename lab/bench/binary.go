// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// prepareBinary makes sure that there is a gateway to run, and compiles it when asked to. The function that it returns removes
// what was compiled.
func (o *options) prepareBinary(ctx context.Context) (discard func() error, err error) {
	keep := func() error { return nil }
	switch o.binary {
	case binaryNone:
		return keep, nil
	case binaryBuild:
		return o.build(ctx)
	}
	if o.binary, err = filepath.Abs(o.binary); err != nil {
		return nil, fmt.Errorf("find drawbridge: %w", err)
	}
	if _, err := os.Stat(o.binary); err != nil {
		return nil, fmt.Errorf("find drawbridge: %w", err)
	}
	return keep, nil
}

// mainPackage can be named anywhere in the module.
const mainPackage = "github.com/drawbridge-l2/drawbridge/cmd/drawbridge"

func (o *options) build(ctx context.Context) (discard func() error, err error) {
	directory, err := os.MkdirTemp("", "dbb")
	if err != nil {
		return nil, fmt.Errorf("make directory for drawbridge: %w", err)
	}
	discard = func() error { return os.RemoveAll(directory) }
	o.binary = filepath.Join(directory, "drawbridge")
	output, err := exec.CommandContext(ctx, "go", "build", "-o", o.binary, mainPackage).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("build drawbridge (-bin none does without): %w: %s", err, lastLines(output))
		return nil, errors.Join(err, discard())
	}
	return discard, nil
}
