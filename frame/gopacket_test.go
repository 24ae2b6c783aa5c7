// SPDX-License-Identifier: Apache-2.0

package frame_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
)

var (
	macA = l2.MAC{2, 0, 0, 0, 0, 0xa}
	macB = l2.MAC{2, 0, 0, 0, 0, 0xb}
	ip4A = netip.MustParseAddr("192.0.2.1")
	ip4B = netip.MustParseAddr("192.0.2.2")
	ip6A = netip.MustParseAddr("2001:db8::1")
	ip6B = netip.MustParseAddr("2001:db8::2")
	eth  = frame.Ethernet{Dst: macB, Src: macA}
)

// samples are frames of every kind, by name, with the layers that gopacket must see.
func samples() map[string]sample {
	v4, v6 := frame.IPv4{Src: ip4A, Dst: ip4B}, frame.IPv6{Src: ip6A, Dst: ip6B}
	udp, tcp := frame.UDP{SrcPort: 40000, DstPort: 40001}, frame.TCP{SrcPort: 1, DstPort: 2, Flags: frame.SYN, Options: frame.MSS(1460)}
	odd := frame.Raw("odd")
	return map[string]sample{
		"arp":        {eth.With(frame.ARP{Op: frame.ARPRequest, SenderMAC: macA, SenderIP: ip4A, TargetIP: ip4B}), "Ethernet ARP"},
		"arp padded": {frame.GratuitousARP(macA, ip4A).Padded(60), "Ethernet ARP"},
		"udp4":       {eth.With(v4, udp, odd), "Ethernet IPv4 UDP Payload"},
		"tcp4":       {eth.With(v4, tcp, odd), "Ethernet IPv4 TCP Payload"},
		"tcp4 opts":  {eth.With(frame.IPv4{Src: ip4A, Dst: ip4B, Options: []byte{1, 1, 1, 0}}, tcp), "Ethernet IPv4 TCP"},
		"icmp4":      {eth.With(v4, frame.ICMP{Type: frame.EchoRequest4, Rest: frame.Echo(1, 2)}, odd), "Ethernet IPv4 ICMPv4 Payload"},
		"tag":        {eth.With(frame.VLAN{ID: 2301, PCP: 5}, v4, udp), "Ethernet Dot1Q IPv4 UDP"},
		"two tags":   {eth.With(frame.Tags(l2.DoubleTag(100, 200), 3)...).With(v4, udp), "Ethernet Dot1Q Dot1Q IPv4 UDP"},
		"udp6":       {eth.With(v6, udp, odd), "Ethernet IPv6 UDP Payload"},
		"tcp6":       {eth.With(v6, tcp, odd), "Ethernet IPv6 TCP Payload"},
		"hop by hop": {eth.With(v6, frame.HopByHop(5, 2, 0, 0), udp), "Ethernet IPv6 IPv6HopByHop UDP"},
		"chain": {eth.With(v6, frame.HopByHop(), frame.Routing(4), frame.DestinationOptions(), udp, odd),
			"Ethernet IPv6 IPv6HopByHop IPv6Routing IPv6Destination UDP Payload"},
		"nd solicit":   {frame.Solicit(macA, ip6A, ip6B), "Ethernet IPv6 ICMPv6 ICMPv6NeighborSolicitation"},
		"nd advertise": {frame.Advertise(macA, ip6A, macB, ip6B), "Ethernet IPv6 ICMPv6 ICMPv6NeighborAdvertisement"},
		"ra":           {frame.RouterAdvert(macA, ip6A, 1800), "Ethernet IPv6 ICMPv6 ICMPv6RouterAdvertisement"},
		"fragment 6":   {eth.With(v6, frame.Fragment{ID: 7, Offset: 10, More: true, NextHeader: frame.Set(17)}, odd), "Ethernet IPv6 IPv6Fragment Fragment"},
		"fragment 4":   {eth.With(frame.IPv4{Src: ip4A, Dst: ip4B, FragmentOffset: 9, Protocol: frame.Set(17)}, odd), "Ethernet IPv4 Fragment"},
		"dhcp":         {eth.With(v4, frame.UDP{SrcPort: 68, DstPort: 67}, frame.DHCPv4{Type: frame.DHCPDiscover, ID: 9, ClientMAC: macA, Broadcast: true}), "Ethernet IPv4 UDP DHCPv4"},
		"llc":          {eth.With(frame.LLC{DSAP: 0x42, SSAP: 0x42, Control: 3}, frame.Raw(make([]byte, 35))), "Ethernet LLC STP"},
		"snap":         {eth.With(frame.SNAP{OUI: [3]byte{0, 0, 0xc}, Type: frame.Set(0x2004)}, frame.Raw("x")), "Ethernet LLC SNAP"},
		"vxlan":        {eth.With(v4, frame.UDP{SrcPort: 50000, DstPort: frame.VXLANPort, Checksum: frame.Set(0)}, frame.VXLAN{VNI: 10100}, frame.Raw(eth.With(v4, udp).Bytes())), "Ethernet IPv4 UDP VXLAN Ethernet IPv4 UDP"},
	}
}

type sample struct {
	packet frame.Packet
	layers string
}

// TestGopacketAgrees reads our frames with gopacket: the layers are those meant, and gopacket, asked to
// fill in lengths and checksums, builds the same bytes.
func TestGopacketAgrees(t *testing.T) {
	for name, s := range samples() {
		t.Run(name, func(t *testing.T) {
			b := s.packet.Bytes()
			p := gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.Default)
			names := ""
			for i, l := range p.Layers() {
				if i > 0 {
					names += " "
				}
				names += l.LayerType().String()
			}
			// What gopacket makes of payloads is not ours to test: only the prefix.
			if !strings.HasPrefix(names, s.layers) {
				t.Fatalf("gopacket sees %q, want %q (%v)", names, s.layers, p.ErrorLayer())
			}
			verifyWithGopacket(t, p)
		})
	}
}

// verifyWithGopacket checks the checksums of every layer; the last IP header gives the pseudo header.
func verifyWithGopacket(t *testing.T, p gopacket.Packet) {
	t.Helper()
	var network gopacket.NetworkLayer
	for _, l := range p.Layers() {
		if n, ok := l.(gopacket.NetworkLayer); ok {
			network = n
		}
		if c, ok := l.(interface {
			SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
		}); ok && network != nil {
			if err := c.SetNetworkLayerForChecksum(network); err != nil {
				t.Fatal(err)
			}
		}
		if c, ok := l.(gopacket.LayerWithChecksum); ok {
			if err, result := c.VerifyChecksum(); err != nil || !result.Valid {
				t.Errorf("gopacket: checksum of %v: %+v %v", l.LayerType(), result, err)
			}
		}
	}
}

// TestRoundTrip parses what was built and builds it again.
func TestRoundTrip(t *testing.T) {
	for name, s := range samples() {
		b := s.packet.Bytes()
		p, err := frame.Parse(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(b, p.Layers().Bytes()); diff != "" {
			t.Errorf("%s: built again differs:\n%s", name, diff)
		}
		if err := p.Verify(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestGopacketBuilds compares bytes with frames that gopacket builds.
func TestGopacketBuilds(t *testing.T) {
	ip := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolTCP, SrcIP: ip6A.AsSlice(), DstIP: ip6B.AsSlice()}
	tcp := &layers.TCP{SrcPort: 80, DstPort: 443, Seq: 1, Ack: 2, ACK: true, PSH: true, Window: 100}
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		&layers.Ethernet{DstMAC: macB[:], SrcMAC: macA[:], EthernetType: layers.EthernetTypeQinQ},
		&layers.Dot1Q{VLANIdentifier: 100, Priority: 6, Type: layers.EthernetTypeIPv6}, ip, tcp, gopacket.Payload("payload"))
	if err != nil {
		t.Fatal(err)
	}
	ours := eth.With(frame.VLAN{TPID: frame.Set(frame.TypeSVLAN), PCP: 6, ID: 100}, frame.IPv6{Src: ip6A, Dst: ip6B},
		frame.TCP{SrcPort: 80, DstPort: 443, Seq: 1, Ack: 2, Flags: frame.ACK | frame.PSH, Window: 100}, frame.Raw("payload"))
	if diff := cmp.Diff(buf.Bytes(), ours.Bytes()); diff != "" {
		t.Errorf("gopacket builds other bytes:\n%s", diff)
	}
}
