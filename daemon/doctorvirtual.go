// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"errors"
	"fmt"

	"github.com/drawbridge-l2/drawbridge/host"
)

// virtualNIC is what a hypervisor must be told so that frames pass whose addresses are not the machine's own.
type virtualNIC struct {
	what   string
	remedy string
	never  bool // no setting helps
}

const (
	vmware = "on its port group: promiscuous mode, forged transmits and MAC changes: accept; or MAC learning on a distributed switch"
	vf     = "on the host of the physical NIC: ip link set PF vf N trust on spoofchk off"
)

// virtualNICs are the drivers of virtual NICs.
var virtualNICs = map[string]virtualNIC{
	"virtio_net": {what: "a virtio NIC", remedy: "KVM with a bridge lets them pass unless a filter is set (libvirt: no clean-traffic; Proxmox: MAC filter off); " +
		"OpenStack: openstack port set --no-security-group --disable-port-security PORT"},
	"vmxnet3":     {what: "a VMware NIC", remedy: vmware},
	"e1000":       {what: "an emulated NIC", remedy: vmware},
	"e1000e":      {what: "perhaps an emulated NIC", remedy: vmware},
	"hv_netvsc":   {what: "a Hyper-V NIC", remedy: "Set-VMNetworkAdapter -VMName VM -MacAddressSpoofing On; in Azure no setting helps"},
	"vif":         {what: "a Xen NIC", remedy: "promiscuous mode for the VIF; with Open vSwitch, no MAC lock"},
	"xen-netback": {what: "a Xen NIC", remedy: "promiscuous mode for the VIF; with Open vSwitch, no MAC lock"},
	"iavf":        {what: "a virtual function", remedy: vf},
	"ixgbevf":     {what: "a virtual function", remedy: vf},
	"igbvf":       {what: "a virtual function", remedy: vf},
	"ena":         {what: "an AWS NIC", never: true},
	"gve":         {what: "a Google Cloud NIC", never: true},
	"mana":        {what: "an Azure NIC", never: true},
}

// judgeVirtual judges whether customers' NICs let frames with foreign addresses pass: by asking a station where
// one was named, else only by saying what must hold.
func judgeVirtual(x *examined) (found []finding) {
	if x.config == nil {
		return nil
	}
	answered := map[string]bool{}
	for _, a := range x.asked {
		found = append(found, x.judgeAsked(a))
		answered[a.extension.Attachment.Interface] = answered[a.extension.Attachment.Interface] || a.answered
	}
	for _, name := range customersOf(x.config) {
		virtual, isVirtual := virtualNICs[x.links[name].Driver]
		switch {
		case !isVirtual || answered[name]:
		case virtual.never:
			found = append(found, finding{"virtual-nic", name, severe, "is " + virtual.what + ", whose network delivers only to addresses that it knows",
				"customers' machines behind it are never reached", "bring the customer in by another way, such as a tunnel"})
		default:
			found = append(found, finding{"virtual-nic", name, notice, "is " + virtual.what + ": whether frames with foreign addresses pass cannot be seen from here alone",
				"where the hypervisor holds them back, broadcasts arrive and nothing else works",
				virtual.remedy + ". To test it with a station behind it: drawbridge doctor --ask EXT=ADDRESS"})
		}
	}
	return found
}

func (x *examined) judgeAsked(a askedStation) finding {
	nic := a.extension.Attachment.Interface
	f := finding{Check: "virtual-nic", Subject: nic, Severity: fine,
		Finding: fmt.Sprintf("frames with foreign addresses pass, both ways: station %s of %s answered one", a.addr, a.extension.Name)}
	switch {
	case errors.Is(a.err, host.ErrXDP):
		f.Severity, f.Finding = notice, "no station was asked: "+a.err.Error()
		f.Consequence = "whether frames with foreign addresses pass is not known"
		f.Remedy = "ask while engine tc serves it, or before the gateway is set up"
	case a.err != nil:
		f.Severity, f.Finding = severe, "no station could be asked: "+a.err.Error()
		f.Consequence = "whether frames with foreign addresses pass is not known"
		f.Remedy = "the NIC must be there and up: start the daemon, or ip link set " + nic + " up"
	case !a.answered:
		f.Severity = severe
		f.Finding = fmt.Sprintf("station %s of %s does not answer a question from a foreign address", a.addr, a.extension.Name)
		f.Consequence = "the hypervisor holds frames with foreign addresses back; or the station is not there, or on another VLAN"
		f.Remedy = virtualNICs[x.links[nic].Driver].remedy
	}
	return f
}
