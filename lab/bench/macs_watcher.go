// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// macWatcher asks a daemon for its MACs again and again, and notes when it saw each for the first time.
type macWatcher struct {
	client *http.Client
	seen   []time.Time // by station
	found  int
	lists  int
	ended  atomic.Int64 // when the last frame was sent, in ns of Unix time; 0: not yet
}

// macPatience is how long after the last frame a watcher goes on looking for MACs that it has not seen.
const macPatience = 10 * time.Second

func newMACWatcher(d *drawbridge, count int) *macWatcher {
	return &macWatcher{client: d.client(), seen: make([]time.Time, count)}
}

// sentAll tells that no more frames come.
func (w *macWatcher) sentAll(at time.Time) { w.ended.Store(at.UnixNano()) }

// watch reads lists until it has seen every MAC, or has waited long enough for those that are missing.
func (w *macWatcher) watch(ctx context.Context) error {
	defer w.client.CloseIdleConnections()
	for w.found < len(w.seen) {
		if ended := w.ended.Load(); ended != 0 && time.Since(time.Unix(0, ended)) > macPatience {
			return nil
		}
		if err := w.readList(ctx); err != nil {
			return fmt.Errorf("read MACs: %w", err)
		}
		w.lists++
	}
	return nil
}

func (w *macWatcher) readList(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://drawbridge/v1/extensions/e0/macs", nil)
	if err != nil {
		return err
	}
	response, err := w.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	entries := bufio.NewReaderSize(response.Body, 1<<16)
	for {
		entry, err := entries.ReadSlice('}')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		w.note(entry)
	}
}

// note takes one entry of the list.
func (w *macWatcher) note(entry []byte) {
	const key = `"mac":"`
	at := bytes.Index(entry, []byte(key))
	if at < 0 || len(entry) < at+len(key)+17 {
		return
	}
	mac, err := l2.ParseMAC(string(entry[at+len(key):][:17]))
	if err != nil || mac[1] != customerSide {
		return
	}
	station := int(mac[3])<<16 | int(mac[4])<<8 | int(mac[5])
	if station < len(w.seen) && w.seen[station].IsZero() {
		w.seen[station] = time.Now()
		w.found++
	}
}

// reading compares what was seen with what was sent.
func (w *macWatcher) reading(times inventTimes) macReading {
	r := macReading{
		Sent: len(w.seen), Missed: len(w.seen) - w.found, Lists: w.lists,
		Rate: ratio(float64(len(w.seen)), times.ended.Sub(times.began).Seconds()),
	}
	took := make([]float64, 0, w.found)
	for i, p := range times.portions {
		end := len(w.seen)
		if i+1 < len(times.portions) {
			end = times.portions[i+1].first
		}
		for _, seen := range w.seen[p.first:end] {
			if !seen.IsZero() {
				took = append(took, seen.Sub(p.at).Seconds())
				r.Largest = max(r.Largest, took[len(took)-1])
			}
		}
	}
	r.Median = median(took)
	return r
}
