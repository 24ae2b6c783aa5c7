// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/drawbridge-l2/drawbridge/lab"
)

const (
	transferSize   = 64 << 20 // bytes of one transfer
	transferRounds = 3        // each way
)

// transfers sends random bytes to the cloud and back.
func (d *demo) transfers() error {
	sent, received := make([]byte, transferSize), make([]byte, transferSize)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(sent) // never fails
	customer, vm := d.lab.Host("acme", 0), d.lab.VM("acme", 0, 0)
	for _, way := range []struct {
		name, text string
		from, to   *lab.Host
	}{
		{"to_cloud", "to cloud", customer, vm}, {"to_customer", "to customer", vm, customer},
	} {
		took, err := transfer(way.from, way.to, sent, received)
		if err != nil {
			return err
		}
		rate := transferRounds * transferSize * 8 / took.Seconds() / 1e9
		d.tell.figure(way.name+"_gbps", float64(int(rate*100))/100)
		d.tell.ok("%-12s %d MiB, SHA-256 equal, %.1f Gb/s", way.text, transferRounds*transferSize>>20, rate)
		if d.ctx.Err() != nil {
			return errInterrupted
		}
	}
	if d.engineRunning == "xdp" {
		d.tell.note("(xdp loses segmentation offload on veth: auto would choose tc here.)")
	}
	d.tell.figure("bytes_each_way", transferRounds*transferSize)
	return nil
}

// transfer sends the same bytes some times over one connection. The clock stands while the receiver compares what
// came: that would take longer than the way.
func transfer(from, to *lab.Host, sent, received []byte) (took time.Duration, err error) {
	listener, err := to.ListenTCP(to.IPv4.Addr())
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	out, err := from.DialTCP(listener.Addr().String(), demoLimit)
	if err != nil {
		return 0, err
	}
	defer out.Close()
	in, err := listener.Accept() // it is connected: this does not block
	if err != nil {
		return 0, err
	}
	defer in.Close()
	deadline := time.Now().Add(4 * demoLimit)
	if err := errors.Join(out.SetDeadline(deadline), in.SetDeadline(deadline)); err != nil {
		return 0, err
	}
	want := sha256.Sum256(sent)
	for range transferRounds {
		round, err := oneTransfer(out, in, sent, received)
		if err != nil {
			return 0, fmt.Errorf("send %d bytes from %s to %s: %w", len(sent), from.Role, to.Role, err)
		}
		if got := sha256.Sum256(received); !bytes.Equal(got[:], want[:]) {
			return 0, fmt.Errorf("expected SHA-256 %x at %s, got %x", want, to.Role, got)
		}
		took += round
	}
	return took, nil
}

// oneTransfer sends all once. What was received before is wiped: it is the same.
func oneTransfer(out, in net.Conn, sent, received []byte) (time.Duration, error) {
	clear(received)
	began := time.Now()
	var group errgroup.Group
	group.Go(func() error {
		_, err := out.Write(sent)
		return err
	})
	group.Go(func() error {
		_, err := io.ReadFull(in, received)
		return err
	})
	err := group.Wait()
	return time.Since(began), err
}
