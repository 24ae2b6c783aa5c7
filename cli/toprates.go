// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"slices"
	"time"

	"github.com/drawbridge-l2/drawbridge/api"
)

// flowRate is one direction's traffic in a second: what left, and what was dropped.
type flowRate struct {
	Frames float64 `json:"frames_per_second"`
	Bits   float64 `json:"bits_per_second"`
	Drops  float64 `json:"drops_per_second"`
}

// topRow is an extension between two readings.
type topRow struct {
	Name       string        `json:"name"`
	Bridge     string        `json:"bridge"`
	Reason     string        `json:"reason"`
	Since      time.Time     `json:"since"`
	MACs       api.MACCounts `json:"macs"`
	ToCloud    flowRate      `json:"to_cloud"`
	ToCustomer flowRate      `json:"to_customer"`
	Busiest    string        `json:"busiest"` // reason of drops
}

func (r *topRow) drops() float64 { return r.ToCloud.Drops + r.ToCustomer.Drops }
func (r *topRow) bits() float64  { return r.ToCloud.Bits + r.ToCustomer.Bits }

// topRows compares two readings. An extension that the first one lacks has no rates yet.
func topRows(was, now *api.Columns, between time.Duration) []topRow {
	before := make(map[string]int, was.Len())
	for i, name := range was.Name {
		before[name] = i
	}
	rows := make([]topRow, now.Len())
	for i, name := range now.Name {
		rows[i] = topRow{
			Name: name, Bridge: now.Bridge[i], Reason: now.Reason[i], Since: time.Unix(now.Since[i], 0).UTC(), Busiest: now.Busiest[i],
			MACs: api.MACCounts{Customer: now.MACs.Customer[i], Cloud: now.MACs.Cloud[i], Limit: now.MACs.Limit[i]},
		}
		if old, known := before[name]; known {
			rows[i].ToCloud = rateOf(&was.ToCloud, old, &now.ToCloud, i, between)
			rows[i].ToCustomer = rateOf(&was.ToCustomer, old, &now.ToCustomer, i, between)
		}
	}
	return rows
}

func rateOf(was *api.Traffic, old int, now *api.Traffic, i int, between time.Duration) flowRate {
	return flowRate{
		Frames: growth(was.Tx[old], now.Tx[i], between),
		Bits:   8 * growth(was.TxBytes[old], now.TxBytes[i], between),
		Drops:  growth(was.Drops[old], now.Drops[i], between),
	}
}

// growth is a counter's rate a second. One that was set back has none that we know.
func growth(was, now uint64, between time.Duration) float64 {
	if now < was || between <= 0 {
		return 0
	}
	return float64(now-was) / between.Seconds()
}

// topOrder is what comes first.
type topOrder string

const (
	byTrouble topOrder = "trouble" // bridges that are not lowered, then drops, then traffic
	byDrops   topOrder = "drops"
	byRate    topOrder = "rate"
	byName    topOrder = "name"
)

// next is the order that the key for sorting turns to.
func (o topOrder) next() topOrder {
	return map[topOrder]topOrder{byTrouble: byDrops, byDrops: byRate, byRate: byName, byName: byTrouble}[o]
}

// severity orders states by what hurts.
var severity = map[string]int{api.BridgeHalfRaised: 3, api.BridgeRaised: 2, api.BridgeDown: 1, api.BridgeLowered: 0}

func sortRows(rows []topRow, order topOrder) {
	slices.SortFunc(rows, func(a, b topRow) int {
		name := cmp.Compare(a.Name, b.Name)
		rate, drops := cmp.Compare(b.bits(), a.bits()), cmp.Compare(b.drops(), a.drops())
		switch order {
		case byName:
			return name
		case byRate:
			return cmp.Or(rate, name)
		case byDrops:
			return cmp.Or(drops, rate, name)
		}
		return cmp.Or(cmp.Compare(severity[b.Bridge], severity[a.Bridge]), drops, rate, name)
	})
}
