// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Weather is what befalls packets on a wire.
type Weather struct {
	Loss  float64       // the share of packets that is lost
	Delay time.Duration // of every packet
	Later float64       // the share of packets that is delayed once more, so that others overtake them
}

// Relay carries all packets between the gateway's uplink and the underlay by hand. Not every kernel has netem.
type Relay struct {
	lab     *Lab
	port    string
	weather Weather
	sockets [2]*packetSocket
	pumps   sync.WaitGroup
	waiting sync.WaitGroup // packets that are delayed
	lost    atomic.Uint64
	later   atomic.Uint64
}

// The relay's own cable to the underlay's bridge.
const (
	relayEnd    = "relay"
	relayBridge = "relayed"
)

// Relay puts a relay between an uplink, counted from 0, and the underlay. Stop takes it out.
func (l *Lab) Relay(uplink int, w Weather) (*Relay, error) {
	u, port := l.Underlay, UnderlayPort(uplink)
	err := Cable(End{NS: u, Name: relayEnd}, End{NS: u, Name: relayBridge}, l.Config.MTU)
	if err != nil {
		return nil, err
	}
	r := &Relay{lab: l, port: port, weather: w}
	err = errors.Join(u.Up(relayEnd), u.Enslave(relayBridge, fabricBridge), u.WaitUp(relayEnd, relayBridge))
	for i, link := range []string{port, relayEnd} {
		if err == nil {
			r.sockets[i], err = u.openPacket(link, true)
		}
	}
	if err == nil {
		err = u.Free(port)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("relay %s: %w", port, err), r.Stop())
	}
	for i := range r.sockets {
		r.pumps.Go(func() { r.pump(r.sockets[i], r.sockets[1-i], rand.New(rand.NewPCG(uint64(i), 7))) })
	}
	return r, nil
}

// pump carries packets one way until the socket is closed.
func (r *Relay) pump(from, to *packetSocket, dice *rand.Rand) {
	buf := make([]byte, 1<<16)
	for {
		n, err := from.file.Read(buf)
		if errors.Is(err, unix.ENETDOWN) {
			continue
		}
		if err != nil {
			return
		}
		if dice.Float64() < r.weather.Loss {
			r.lost.Add(1)
			continue
		}
		delay := r.weather.Delay
		if dice.Float64() < r.weather.Later {
			delay += r.weather.Delay
			r.later.Add(1)
		}
		r.send(to, append([]byte(nil), buf[:n]...), delay)
	}
}

func (r *Relay) send(to *packetSocket, b []byte, delay time.Duration) {
	r.waiting.Add(1)
	send := func() {
		defer r.waiting.Done()
		if _, err := to.file.Write(b); err != nil {
			r.lost.Add(1)
		}
	}
	if delay == 0 {
		send()
		return
	}
	time.AfterFunc(delay, send)
}

// Lost is how many packets did not go on, whatever the reason, and Later how many were overtaken.
func (r *Relay) Lost() (uint64, error) {
	for _, s := range r.sockets {
		missed, err := s.lost()
		if err != nil {
			return 0, err
		}
		r.lost.Add(missed)
	}
	return r.lost.Load(), nil
}

// Later is how many packets were delayed once more than the others.
func (r *Relay) Later() uint64 { return r.later.Load() }

// Stop joins the uplink and the underlay again.
func (r *Relay) Stop() error {
	u := r.lab.Underlay
	errs := []error{u.Enslave(r.port, fabricBridge)}
	for _, s := range r.sockets {
		if s != nil {
			errs = append(errs, s.file.SetReadDeadline(time.Now()))
		}
	}
	r.pumps.Wait()
	r.waiting.Wait()
	for _, s := range r.sockets {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	err := errors.Join(append(errs, u.DeleteLink(relayBridge))...)
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
