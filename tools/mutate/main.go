// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"
)

func main() {
	o := options{}
	flag.StringVar(&o.root, "root", ".", "the repository")
	flag.IntVar(&o.count, "n", 100, "how many mutants")
	flag.Uint64Var(&o.seed, "seed", 1, "of the sample")
	flag.IntVar(&o.from, "from", 0, "go on behind so many of the sample")
	flag.IntVar(&o.workers, "workers", 1, "how many at a time")
	flag.IntVar(&o.frames, "frames", 50_000, "how many the model judges beside each engine")
	flag.DurationVar(&o.limit, "limit", 15*time.Minute, "of one group of tests")
	flag.BoolVar(&o.checked, "checked", false, "the tests were seen to pass without a mutant")
	flag.BoolVar(&o.thorough, "thorough", false, "run the slow tests as well")
	flag.StringVar(&o.skip, "skip", byTime, "tests to leave out, since they fail by chance and would kill anything")
	flag.StringVar(&o.only, "only", "", "a regular expression: take all mutants whose line of output it fits, and no sample")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

type options struct {
	root    string
	count   int
	from    int
	seed    uint64
	workers int
	frames  int
	limit   time.Duration
	only    string

	checked  bool
	thorough bool
	skip     string
}

func run(o options) error {
	if os.Geteuid() != 0 {
		return errors.New("the tests load BPF programs: run it as root")
	}
	var err error
	if o.root, err = filepath.Abs(o.root); err != nil {
		return err
	}
	sample, total, err := choose(o)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "drawbridge-mutate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	base, err := compileBase(o.root, work)
	if err != nil {
		return err
	}
	tests, err := buildTests(o.root, work, base)
	if err != nil {
		return err
	}
	if o.checked {
		fmt.Println("the tests are taken to pass without a mutant")
	} else if err := unmutated(o, filepath.Join(work, "unmutated"), tests, base); err != nil {
		return err
	}
	fmt.Printf("%d of %d mutants, seed %d\n", len(sample), total, o.seed)
	sum, err := judgeAll(o, work, tests, base, sample)
	fmt.Println(sum)
	return err
}

// compileBase compiles what is not mutated, in a copy.
func compileBase(root, work string) (objects, error) {
	dir := filepath.Join(work, "base")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root, "bpf"))); err != nil {
		return nil, fmt.Errorf("copy bpf: %w", err)
	}
	units, err := unitsOf(dir)
	if err != nil {
		return nil, err
	}
	made := make(objects)
	for _, u := range units {
		if made[u.object], err = u.compile(dir); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// unmutated makes sure that the tests pass when nothing is changed: or they would kill everything.
func unmutated(o options, dir string, tests *testBinary, base objects) error {
	t, err := newTrial(o, dir, tests, base)
	if err != nil {
		return err
	}
	if err := tests.write(t.binary(), base); err != nil {
		return err
	}
	patterns := slices.Concat(against["tc.bpf.c"], against["xdp.bpf.c"], t.groups("", base))
	if v, by := t.runAll(patterns); v != survived {
		return fmt.Errorf("without any mutant: %s by %s", v, by)
	}
	return nil
}

// choose draws a sample of all mutants.
func choose(o options) (sample []mutant, total int, err error) {
	files, err := filepath.Glob(filepath.Join(o.root, "bpf", "*.[ch]"))
	if err != nil {
		return nil, 0, err
	}
	slices.Sort(files)
	only, err := regexp.Compile(o.only)
	if err != nil {
		return nil, 0, err
	}
	for _, file := range files {
		name := filepath.Base(file)
		if name == "abi.h" || name == "maps.h" {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			return nil, 0, err
		}
		for _, m := range mutantsOf(name, string(source)) {
			total++
			if only.MatchString(m.String()) {
				sample = append(sample, m)
			}
		}
	}
	if o.only != "" {
		return sample, total, nil
	}
	r := rand.New(rand.NewPCG(o.seed, 0))
	r.Shuffle(len(sample), func(i, j int) { sample[i], sample[j] = sample[j], sample[i] })
	sample = sample[:min(o.count, len(sample))]
	return sample[min(o.from, len(sample)):], total, nil
}

// judgeAll judges mutants, several at a time, until all are or the user has enough.
func judgeAll(o options, work string, tests *testBinary, base objects, sample []mutant) (*sum, error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	queue := make(chan mutant)
	results := newSum()
	var group sync.WaitGroup
	for i := range o.workers {
		t, err := newTrial(o, filepath.Join(work, fmt.Sprint("worker", i)), tests, base)
		if err != nil {
			return results, err
		}
		group.Go(func() {
			for m := range queue {
				start := time.Now()
				v, by, err := t.judge(m)
				results.add(m, v, by, time.Since(start), err)
			}
		})
	}
feed:
	for _, m := range sample {
		select {
		case queue <- m:
		case <-ctx.Done():
			break feed
		}
	}
	close(queue)
	group.Wait()
	return results, results.err
}
