// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/gateway"
	"github.com/drawbridge-l2/drawbridge/host"
)

// fixOffloads switches off what must be off on the customers' NICs. Those that the host uses too
// (passthrough), and the uplinks, are not ours to change.
func fixOffloads(ctx context.Context, h *host.Host, c *config.Config) []fixedSetting {
	links, err := (machine{h, c.Gateway.Name, nil}).Links()
	if err != nil {
		return nil // looking will say it
	}
	planned := gateway.MakePlan(gateway.Inputs{Config: c, Links: links}).Desired.Engine
	engine := engineOf(askStatus(ctx, c.Gateway.API.Socket), planned)
	var fixed []fixedSetting
	for _, nic := range customersOf(c) {
		if _, found := links[nic]; !found || c.Interfaces[nic].Passthrough {
			continue
		}
		plan, err := h.Plan(nic, host.Customer, engine)
		if err != nil {
			fixed = append(fixed, fixedSetting{Device: nic, Error: err.Error()})
			continue
		}
		done, err := h.RepairOffloads(nic, plan)
		for _, d := range done {
			fixed = append(fixed, fixedSetting{Device: d.Device, Setting: string(d.Setting), Was: "on", Now: "off"})
		}
		if err != nil {
			fixed = append(fixed, fixedSetting{Device: nic, Error: err.Error()})
		}
	}
	return fixed
}
