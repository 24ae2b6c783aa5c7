// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/drawbridge-l2/drawbridge/state"
)

func TestTable(t *testing.T) {
	gw := newFake()
	socket, _ := start(t, gw, testOptions())
	got, err := NewClient(socket).Table(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := statusOf(gw.status)
	if got.Extensions.Len() != len(want.Extensions) || got.Gateway.Name != want.Gateway.Name || len(got.Interfaces) != len(want.Interfaces) {
		t.Fatalf("%+v", got)
	}
	for i, e := range want.Extensions {
		c := &got.Extensions
		row := []any{c.Name[i], c.Bridge[i], c.Reason[i], c.Since[i], c.Interface[i], c.VLAN[i], c.VNI[i], c.MACs.Customer[i], c.MACs.Cloud[i],
			c.MACs.Limit[i], c.ToCloud.Rx[i], c.ToCloud.Tx[i], c.ToCloud.TxBytes[i], c.ToCloud.Drops[i], c.ToCustomer.Rx[i], c.ToCustomer.Tx[i], c.ToCustomer.Drops[i]}
		full := []any{e.Name, e.Bridge, e.Reason, e.Since.Unix(), e.Attachment.Interface, e.Attachment.VLAN, e.Overlay.VNI, e.MACs.Customer, e.MACs.Cloud,
			e.MACs.Limit, e.ToCloud.Rx.Frames, e.ToCloud.Tx.Frames, e.ToCloud.Tx.Bytes, dropped(e.ToCloud), e.ToCustomer.Rx.Frames, e.ToCustomer.Tx.Frames, dropped(e.ToCustomer)}
		if diff := cmp.Diff(full, row); diff != "" {
			t.Errorf("%s: %s", e.Name, diff)
		}
	}
}

func dropped(c Counters) (sum uint64) {
	for _, n := range c.Drops {
		sum += n
	}
	return sum
}

func TestTableNamesTheLargestDrops(t *testing.T) {
	var s state.Status
	for i := range 13 {
		s.Extensions = append(s.Extensions, state.ExtensionStatus{
			Name: "acme", ToCustomer: state.Counters{Drops: map[string]uint64{fmt.Sprintf("reason-%02d", i): uint64(i), "zero": 0}},
		})
	}
	got := tableOf(s)
	if len(got.LargestDrops) != largestDrops || got.MoreDrops != 2 {
		t.Fatalf("%d and %d more, want 10 and 2", len(got.LargestDrops), got.MoreDrops)
	}
	if want := (Drop{"acme", "to_customer", "reason-12", 12}); got.LargestDrops[0] != want {
		t.Errorf("largest is %+v, want %+v", got.LargestDrops[0], want)
	}
}

func TestTableNamesTheBusiestReason(t *testing.T) {
	both := state.ExtensionStatus{
		ToCloud:    state.Counters{Drops: map[string]uint64{"malformed": 5, "storm-source": 3, "too-big": 0}},
		ToCustomer: state.Counters{Drops: map[string]uint64{"storm-source": 3, "bad-source": 6}},
	}
	got := tableOf(state.Status{Extensions: []state.ExtensionStatus{both, {}}}).Extensions.Busiest
	if want := []string{"bad-source", ""}; !slices.Equal(got, want) { // storm-source has 6 too
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestColumnsOfDifferentLength(t *testing.T) {
	c := tableOf(state.Status{Extensions: make([]state.ExtensionStatus, 2)}).Extensions
	if c.Len() != 2 {
		t.Errorf("%d extensions, want 2", c.Len())
	}
	c.ToCloud.Drops = c.ToCloud.Drops[:1]
	if c.Len() != -1 {
		t.Error("a short column was not noticed")
	}
}

func TestRawStatusTellsWhetherAllAreLowered(t *testing.T) {
	for bridge, want := range map[state.Bridge]bool{state.Lowered: true, state.HalfRaised: false, state.RaisedUp: false, state.Down: false} {
		gw := newFake()
		for i := range gw.status.Extensions {
			gw.status.Extensions[i].Bridge = state.Lowered
		}
		gw.status.Extensions[0].Bridge = bridge
		socket, _ := start(t, gw, testOptions())
		document, lowered, err := NewClient(socket).RawStatus(t.Context(), "")
		if err != nil || lowered != want || len(document) == 0 {
			t.Errorf("%v: lowered %v, want %v; %v", bridge, lowered, want, err)
		}
	}
}
