// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/drawbridge-l2/drawbridge/config"
)

// TestConfigurationIsValid reads what the benchmark writes with the gateway's own parser.
func TestConfigurationIsValid(t *testing.T) {
	for _, c := range []gatewayConfig{
		{Engine: "xdp", Guards: true, Layout: layout{4000, 65536}},
		{Engine: "tc", Guards: true, Untagged: true, Layout: layout{1, 1}},
		{Engine: "tc", Layout: layout{1, 1 << 18}},
		{Engine: "xdp", Guards: true, OpenToMACs: true, Layout: layout{1, 1}},
		{Engine: "xdp", Guards: true, Layout: layout{10, 10}, changed: 3, bandwidth: 100},
	} {
		c.Name, c.Socket, c.State = "dbb1-0", "/tmp/dbb1/api.sock", "/tmp/dbb1/state"
		c.Underlay, c.Customer, c.VTEP, c.Peer = "u1x0", "c1x0", gatewayVTEP, cloudVTEP
		parsed, err := config.Parse("bench.yaml", c.yaml())
		if err != nil {
			t.Fatalf("%s: %v", c.Engine, err)
		}
		if len(parsed.Extensions) != c.Layout.extensions {
			t.Errorf("%d extensions, want %d", len(parsed.Extensions), c.Layout.extensions)
		}
		if limit := int(parsed.Extensions[0].Guard.MACs.Limit); limit < c.Layout.perExtension() {
			t.Errorf("the limit of %d MACs is below %d", limit, c.Layout.perExtension())
		}
	}
}
