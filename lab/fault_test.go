// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// fault is something that happens to a gateway. do returns when the trouble itself is over.
type fault struct {
	name string
	do   func(b *faultBench, r *rand.Rand)
	// heals: frames may be lost while do runs, and for at most a second after. Otherwise none may be, at any time.
	heals bool
	// tears: programs go that had begun with a frame which another was to end. Such frames are counted as received only.
	tears bool
}

// healing is how long forwarding may take to come back, with room for a busy machine's scheduler.
const healing = time.Second + 300*time.Millisecond

// faultSum is the result of a run.
type faultSum struct {
	injected  int
	lost      uint64 // where none may be
	unguarded uint64
	seed      int
	excused   uint64 // lost, but the machine lost frames undisturbed too
}

func (s faultSum) String() string {
	return fmt.Sprintf("faults: %d injected, %d frames lost where none may be, %d unguarded, seed %d",
		s.injected, s.lost, s.unguarded, s.seed)
}

// faultBench is a bench under faults.
type faultBench struct {
	*bench
	stream *faultStream
	log    *lab.KernelLog
	sum    *faultSum
	start  time.Time
	places map[string]string
	memory []int64 // of the daemon, idle, after each fault
	torn   map[string]int64
}

// TestFaults injects faults in a random order while numbered frames cross in both directions, and forbidden ones knock.
// FAULTS says how many, half of them on each engine; SEED chooses them; FAULT (a name) injects only that.
func TestFaults(t *testing.T) {
	sum := &faultSum{seed: setting("SEED", 1)}
	count := (setting("FAULTS", 16) + 1) / len(engines)
	onEngines(t, func(t *testing.T, engine string) {
		b := startFaults(t, engine, sum)
		r := rand.New(rand.NewPCG(uint64(sum.seed), uint64(len(engine)))) // the engines have different schedules
		for n, f := range schedule(t, r, count) {
			t.Run(fmt.Sprintf("%04d-%s", n, f.name), func(t *testing.T) { b.inject(t, f, n) })
		}
		must(t, b.stream.crossed(b.bench))
		b.wantFlatMemory()
	})
	if sum.excused > 0 {
		t.Logf("%d more frames were lost in runs whose undisturbed repetition lost some too", sum.excused)
	}
	fmt.Println(sum)
	if sum.injected < count {
		t.Errorf("only %d faults were injected", sum.injected)
	}
}

// schedule deals the faults like cards: all of them before one comes again.
func schedule(t *testing.T, r *rand.Rand, count int) []fault {
	t.Helper()
	deck := allFaults
	if name := os.Getenv("FAULT"); name != "" {
		deck = nil
		for _, f := range allFaults {
			if f.name == name {
				deck = append(deck, f)
			}
		}
		if deck == nil {
			t.Fatalf("there is no fault %s", name)
		}
	}
	var list []fault
	for len(list) < count {
		for _, i := range r.Perm(len(deck)) {
			list = append(list, deck[i])
		}
	}
	return list[:count]
}

func startFaults(t *testing.T, engine string, sum *faultSum) *faultBench {
	t.Helper()
	laterBinary(t) // built before any load runs
	otherBinary(t)
	log, err := lab.OpenKernelLog()
	must(t, err)
	t.Cleanup(func() { log.Close() })
	b := prepare(t, engine, lab.Config{Extensions: []lab.ExtSpec{
		{Name: "acme", VLAN: l2.SingleTag(2301), VNI: 10100}, {Name: "twin", VLAN: l2.SingleTag(2302), VNI: 10200},
	}}, func(c *lab.GatewayConfig) {
		c.Extension("acme").Guard = stormGuard
		c.Extension("acme").Peers = c.Extension("acme").Peers[:1] // one copy of each broadcast
		c.Extension("twin").Guard = "{macs: {limit: 64, age: 5s}}"
	})
	mountState(t, b.daemon)
	b.launch()
	b.ping(b.VM("acme", 0, 0), b.Host("acme", 0))
	b.meet("twin")
	f := &faultBench{bench: b, log: log, sum: sum, start: time.Now(), places: b.places(), torn: map[string]int64{}}
	f.stream = b.startStream()
	return f
}

// inject injects one fault and looks at everything that must hold. All of its choices follow from seed and number.
func (b *faultBench) inject(t *testing.T, f fault, number int) {
	sub := *b
	bench := *b.bench
	bench.T = t
	sub.bench = &bench
	r := rand.New(rand.NewPCG(uint64(b.sum.seed), uint64(number)))
	t.Logf("%8.3fs: fault %d, %s, seed %d", time.Since(b.start).Seconds(), number, f.name, b.sum.seed)
	b.sum.injected++
	sub.underFault(f, r)
	sub.wantGuarded()
	sub.wantIdleOrder(f)
	b.memory = sub.memory
}

// underFault sends the load around a fault and judges what was lost.
func (b *faultBench) underFault(f fault, r *rand.Rand) {
	b.Helper()
	b.revive()
	load := b.startLoad()
	stop := sync.OnceValues(load.Stop)
	defer func() { _, _ = stop() }() // when do ends the test
	<-time.After(shortly(r, 50, 150))
	before := time.Now()
	f.do(b, r)
	outage := time.Since(before)
	if f.heals {
		<-time.After(healing + 200*time.Millisecond)
	}
	<-time.After(shortly(r, 50, 150))
	lasted := time.Since(before)
	reports, err := stop()
	must(b.T, err)
	if f.heals {
		b.wantHealed(reports, outage)
		return
	}
	b.wantNothingLost(reports, lasted)
}

// revive puts right what an earlier fault that failed has left.
func (b *faultBench) revive() {
	b.Helper()
	if b.daemon.PID() != 0 {
		return
	}
	b.Log("no daemon runs any more: start it")
	must(b.T, b.daemon.Configure(b.config))
	must(b.T, b.daemon.Start())
}

func (b *faultBench) rate() int { return setting("LAB_RATE", 20000) / 2 }

func (b *faultBench) startLoad() *lab.Load {
	b.Helper()
	host, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
	load, err := lab.StartLoad(lab.Flow{From: host, To: vm, Rate: b.rate()},
		lab.Flow{From: vm, To: host, Rate: b.rate(), Opaque: true})
	must(b.T, err)
	return load
}

func shortly(r *rand.Rand, least, most int) time.Duration {
	return time.Duration(least+r.IntN(most-least+1)) * time.Millisecond
}

var directions = []string{"to cloud", "to customer"}

func (b *faultBench) wantHealed(reports []lab.FlowReport, outage time.Duration) {
	b.Helper()
	limit := outage + healing
	for i, r := range reports {
		b.Logf("outage of %v, %s: %v", outage.Round(time.Millisecond), directions[i], r)
		most := uint64(limit.Seconds() * float64(b.rate()))
		if r.LongestGap > limit || r.Lost > most || r.Received == 0 {
			b.Errorf("%s: not healed in a second: %v", directions[i], r)
		}
	}
}

// wantNothingLost: what a busy machine loses undisturbed as well is not the fault's doing.
func (b *faultBench) wantNothingLost(reports []lab.FlowReport, lasted time.Duration) {
	b.Helper()
	bad := faulty(reports)
	b.Logf("%v: %s: %v; %s: %v", lasted.Round(time.Millisecond), directions[0], reports[0], directions[1], reports[1])
	if bad == 0 {
		return
	}
	load := b.startLoad()
	<-time.After(lasted)
	quiet, err := load.Stop()
	must(b.T, err)
	if n := faulty(quiet); n != 0 {
		b.Logf("undisturbed, %d frames were lost or doubled too", n)
		b.sum.excused += bad
		return
	}
	b.sum.lost += bad
	b.Errorf("%d frames were lost or doubled, and none in an undisturbed run as long", bad)
}

func faulty(reports []lab.FlowReport) (n uint64) {
	for _, r := range reports {
		n += r.Lost + r.Duplicated
	}
	return n
}

func (b *faultBench) wantGuarded() {
	b.Helper()
	n, what := b.stream.unguarded(b.bench)
	b.sum.unguarded += n
	if n != 0 {
		b.Errorf("%d unguarded frames: %s", n, what)
	}
}

// wantIdleOrder looks at everything that can be seen when no frame is under way.
func (b *faultBench) wantIdleOrder(f fault) {
	b.Helper()
	b.stream.mu.Lock()
	defer b.stream.mu.Unlock()
	must(b.T, b.daemon.WaitBridges("lowered", patience))
	b.wantAccount(f)
	b.wantPlaces(b.places)
	if complaints, err := b.log.Complaints(); err != nil || len(complaints) > 0 {
		b.Errorf("the kernel complains: %v, %s", err, strings.Join(complaints, "\n"))
	}
	memory, err := b.daemon.RSS()
	must(b.T, err)
	b.memory = append(b.memory, memory)
}

// mostTorn is how many frames may be between two programs when both are taken away.
const mostTorn = 64

// wantAccount wants rx = tx + Σ drops everywhere, but for the frames that were torn in this fault or an earlier one.
func (b *faultBench) wantAccount(f fault) {
	b.Helper()
	var missing map[string]int64
	err := lab.Wait(patience, "counters to balance", func() error {
		missing = unaccounted(b.status())
		for where, n := range missing {
			more := n - b.torn[where]
			if more != 0 && (!f.tears || more < 0 || more > mostTorn) {
				return fmt.Errorf("%s: rx is %d more than tx + drops, and was before this fault %d", where, n, b.torn[where])
			}
		}
		return nil
	})
	if err != nil {
		b.Error(err)
	}
	for where, n := range missing {
		if more := n - b.torn[where]; more != 0 {
			b.Logf("%s: %d frames were torn", where, more)
		}
		b.torn[where] = n
	}
}

// unaccounted is by how much rx exceeds what became of it.
func unaccounted(s *lab.Status) map[string]int64 {
	missing := make(map[string]int64)
	for _, e := range s.Extensions {
		for i, c := range []lab.Counters{e.ToCloud, e.ToCustomer} {
			missing[e.Name+" "+directions[i]] = int64(c.Rx.Frames) - int64(c.Tx.Frames+c.Dropped())
			nic := e.Attachment.Interface
			if i == 1 {
				nic = "underlay"
			}
			missing[nic] -= int64(c.Rx.Frames)
		}
	}
	for _, n := range s.Interfaces {
		key := n.Name
		if n.Role == "underlay" {
			key = n.Role
		}
		missing[key] += int64(n.Rx.Frames) - int64(n.Passed)
		for _, dropped := range n.Drops {
			missing[key] -= int64(dropped)
		}
	}
	return missing
}

// wantFlatMemory compares the largest of the last third with that of the first.
func (b *faultBench) wantFlatMemory() {
	b.Helper()
	third := len(b.memory) / 3
	if third == 0 {
		return
	}
	early, late := maximum(b.memory[:third]), maximum(b.memory[len(b.memory)-third:])
	b.Logf("the daemon's memory: at most %d MiB early, %d MiB late", early>>20, late>>20)
	if late > early*3/2+16<<20 {
		b.Errorf("the daemon grew from %d to %d bytes", early, late)
	}
}

func maximum(list []int64) (most int64) {
	for _, v := range list {
		most = max(most, v)
	}
	return most
}
