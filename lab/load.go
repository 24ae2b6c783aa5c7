// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/drawbridge-l2/drawbridge/frame"
)

// Flow is a stream of numbered frames from one host to another at a constant rate.
type Flow struct {
	From, To *Host
	Rate     int    // frames a second, at most about 100,000 on one core
	Size     int    // bytes of the Ethernet frame without FCS; at least minLoadSize, which 0 means
	Opaque   bool   // an experimental EtherType in place of IPv4 and UDP
	Number   uint32 // tells it from flows that run beside it; by default those of one load are told from each other
}

// FlowReport says what became of a flow's frames.
type FlowReport struct {
	Sent       uint64
	Received   uint64 // different frames that came
	Lost       uint64 // Sent − Received
	Duplicated uint64 // frames that came again
	Reordered  uint64 // frames that came after one with a higher number
	Refused    uint64 // frames that the sender's own link would not take: not in Sent
	Missed     uint64 // frames that came but found no room in the receiver's socket: the lab's own fault
	LongestGap time.Duration
}

// String prints the figures in one line.
func (r FlowReport) String() string {
	return fmt.Sprintf("%d sent, %d received, %d lost, %d doubled, %d reordered, longest gap %v",
		r.Sent, r.Received, r.Lost, r.Duplicated, r.Reordered, r.LongestGap.Round(time.Microsecond))
}

// Load is a set of flows under way.
type Load struct {
	flows []*flowRun
	stop  chan struct{}
	group errgroup.Group
}

type flowRun struct {
	sender   *loadSender
	receiver *loadReceiver
}

// StartLoad starts all flows at once. Several flows may share a host. Stop ends them.
func StartLoad(flows ...Flow) (*Load, error) {
	l := &Load{stop: make(chan struct{})}
	for i, f := range flows {
		run, err := newFlowRun(f, cmp.Or(f.Number, uint32(i+1)))
		if err != nil {
			l.close()
			return nil, err
		}
		l.flows = append(l.flows, run)
	}
	for _, run := range l.flows {
		go run.receiver.run()
		l.group.Go(func() error { return run.sender.run(l.stop) })
	}
	return l, nil
}

func newFlowRun(f Flow, number uint32) (*flowRun, error) {
	template, err := loadTemplate(f, number)
	if err != nil {
		return nil, err
	}
	in, err := f.To.openPacket(f.To.Link, true)
	if err != nil {
		return nil, err
	}
	out, err := f.From.openPacket(f.From.Link, false)
	if err != nil {
		in.Close()
		return nil, err
	}
	return &flowRun{
		sender:   newLoadSender(out, template, f.Rate, putSequence),
		receiver: newLoadReceiver(in, number),
	}, nil
}

// Run starts flows, lets them run for a time and stops them.
func Run(duration time.Duration, flows ...Flow) ([]FlowReport, error) {
	l, err := StartLoad(flows...)
	if err != nil {
		return nil, err
	}
	<-time.After(duration)
	return l.Stop()
}

// settle is how long the receivers wait for a next frame before what is missing counts as lost.
const settle = 300 * time.Millisecond

// Stop ends the senders, waits for what is under way, and reports each flow in the order of StartLoad.
func (l *Load) Stop() ([]FlowReport, error) {
	close(l.stop)
	err := l.group.Wait()
	reports := make([]FlowReport, len(l.flows))
	for i, run := range l.flows {
		reports[i], err = run.finish(err)
	}
	l.close()
	return reports, err
}

func (l *Load) close() {
	for _, run := range l.flows {
		run.sender.socket.Close()
		run.receiver.socket.Close()
	}
}

func (r *flowRun) finish(err error) (FlowReport, error) {
	r.receiver.drain(r.sender.sent.Load())
	report := r.receiver.report()
	report.Sent, report.Refused = r.sender.sent.Load(), r.sender.refused
	report.Lost = report.Sent - min(report.Sent, report.Received)
	missed, lostErr := r.receiver.socket.lost()
	report.Missed = missed
	if err == nil {
		err = lostErr
	}
	if err == nil {
		err = r.receiver.err
	}
	return report, err
}

// loadMagic starts every numbered frame's payload, behind the headers; flow number, sequence number follow.
const (
	loadMagic    = 0xdb10ad01
	loadData     = 16              // magic 4, flow 4, sequence 8
	loadOffset   = 14 + 20 + 8     // of the payload, opaque frames have padding there
	minLoadSize  = loadOffset + 16 // 58: a NIC would pad it to 60
	loadType     = frame.TypeLocal + 1
	loadUDPPort  = 4444
	loadSequence = loadOffset + 8
)

// loadTemplate is the frame of a flow with sequence number 0. Its IP addresses belong to nobody (RFC 2544's
// range): the receiving stack answers nothing.
func loadTemplate(f Flow, number uint32) ([]byte, error) {
	size := max(f.Size, minLoadSize)
	payload := make([]byte, size-loadOffset)
	for i, v := range []uint32{loadMagic, number} {
		payload[4*i], payload[4*i+1], payload[4*i+2], payload[4*i+3] = byte(v>>24), byte(v>>16), byte(v>>8), byte(v)
	}
	ethernet := frame.Ethernet{Dst: f.To.MAC, Src: f.From.MAC}
	if f.Opaque {
		ethernet.Type = frame.Set(loadType)
		return ethernet.With(frame.Raw(make([]byte, loadOffset-14)), frame.Raw(payload)).Bytes(), nil
	}
	return ethernet.With(
		frame.IPv4{Src: loadAddr(1, number), Dst: loadAddr(2, number)},
		frame.UDP{SrcPort: loadUDPPort, DstPort: loadUDPPort, Checksum: frame.Set(0)},
		frame.Raw(payload)).Bytes(), nil
}

func loadAddr(side byte, number uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 18, side, byte(number)})
}
