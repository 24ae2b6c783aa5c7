// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// head is a gateway without fault, in lines 1 and 2.
const head = "gateway: {name: gw-a, underlay: {interface: eth1}}\nextensions:\n"

// entry is an extension without fault, in one line, with more in braces behind it.
func entryText(name string, vlan, vni int) string {
	return fmt.Sprintf("  %s: {attachment: {interface: eth2, vlan: %d}, overlay: {vni: %d, peers: [192.0.2.20]}}\n", name, vlan, vni)
}

// guardText is an extension whose guard is g; g starts in line 6, column 7.
func guardText(g string) string {
	return head + "  acme:\n    attachment: {interface: eth2, vlan: 1}\n    overlay: {vni: 1, peers: [192.0.2.20]}\n    guard: " +
		"{" + g + "}\n"
}

func TestFaults(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		// The file as a whole.
		{"empty", "", []string{"1:1: the file is empty"}},
		{"comments", "# x\n\n", []string{"1:1: the file is empty"}},
		{"no gateway", "extensions:\n", []string{"1:1: configuration: gateway is missing"}},
		{"no underlay", "gateway: {name: a}\n", []string{"1:1: gateway: underlay is missing"}},
		{"empty gateway", "gateway:\n", []string{"1:1: gateway: underlay is missing", "1:1: gateway.name is missing"}},
		{"unknown section", head + "extension: {}\n", []string{"3:1: configuration: unknown key \"extension\", did you mean extensions?"}},
		{"section twice", head + "extensions: {}\n", []string{"3:1: extensions: the key is there twice, first in line 2"}},
		{"section is a list", "gateway: [a]\n", []string{"1:1: gateway.name is missing", "1:10: gateway: a list was found: a map of name, engine"}},
		{"section is a value", head + "interfaces: eth2\n", []string{"3:13: interfaces: \"eth2\" was found: a map of interfaces' names is allowed"}},
		{"not a map", "- a\n", []string{"1:1: a list was found: key: value is expected"}},
		{"only a word", "gateway\n", []string{"1:1: a value was found: key: value is expected"}},

		// YAML.
		{"not UTF-8", head + "\xff\n", []string{"3:1: the byte 0xff was found: the file must be UTF-8", "3:1: "}},
		{"control character", head + "# a\x00\n", []string{"3:4: the control character U+0000 was found"}},
		{"tab", head + "  a:\n\tb: 1\n", []string{"4:1: a tab was found in the indentation"}},
		{"two documents", head + "---\na: 1\n", []string{"3:1: a second YAML document starts here"}},
		{"behind the end", head + "...\n\na: 1\n", []string{"5:1: a second YAML document starts here"}},
		{"directive", "%YAML 1.2\n---\n" + head, []string{"1:1: a YAML directive was found"}},
		{"anchor", "gateway: {name: &a gw-a, underlay: {interface: eth1}}\n", []string{"1:17: an anchor (&) was found"}},
		{"alias", "gateway: {name: gw-a, underlay: *b}\n", []string{"1:33: an alias (*) was found"}},
		{"merge key", head + "interfaces:\n  <<: {eth5: {}}\n", []string{"4:3: the merge key << was found"}},
		{"tag", "gateway: {name: !!str gw-a, underlay: {interface: eth1}}\n", []string{"1:17: the tag !!str was found"}},
		{"question mark", head + "interfaces:\n  ? eth5\n  : {}\n", []string{"4:3: a key that is no plain text was found"}},
		{"bad indentation", head + "  a:\n    b: 1\n c: 2\n", []string{"3:3: extensions.a: attachment is missing", "3:3: extensions.a: overlay is missing",
			"4:5: extensions.a: unknown key \"b\"", "5:2: an indentation of 1 spaces fits no block: the section's entries have 2"}},
		{"indented first", "  a: 1\n", []string{"1:3: the line is indented, but no section is open"}},
		{"open quote", "gateway: {name: \"gw-a, underlay: {interface: eth1}}\n", []string{"1:17: not YAML: could not find end character of double-quoted text"}},
		{"open bracket", head + "interfaces:\n  eth2: {passthrough: true\n  eth3: {}\n", []string{"4:9: not YAML: "}},
		{"syntax hides nothing", head + "  a: [\n" + entryText("b", 0, 1) + entryText("c", 1, 0), []string{
			"3:6: not YAML: ", "4:43: extensions.b.attachment.vlan: 0 is out of range", "5:62: extensions.c.overlay.vni: 0 is out of range"}},
		{"deep", head + "  a: " + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "\n", []string{"3:38: the value is nested too deeply"}},
		{"IPv6 in nested braces", head + "  a: {\n    attachment: {interface: eth2, vlan: 1}, overlay: {vni: 1, peers: [2001:db8::1]}}\n", []string{
			"4:71: 2001:db8::1 has a colon without a space behind it: put the text in quotes"}},

		// Gateway.
		{"types", "gateway:\n  name: [a]\n  engine: {a: b}\n  underlay: {interface: {a: b}, port: }\n  state:\n", []string{
			"2:9: gateway.name: a list was found: a name of", "3:11: gateway.engine: a map was found: auto, xdp or tc is allowed",
			"4:25: gateway.underlay.interface: a map was found", "4:33: gateway.underlay.port: nothing was found", "5:3: gateway.state: nothing was found"}},
		{"names of interfaces", "gateway: {name: a, underlay: {interface: [eth1, a/b, abcdefghijklmnop, eth1, eth2]}}\n", []string{
			"1:49: ", "1:54: ", "1:72: ", "1:78: gateway.underlay.interface: 5 interfaces were found: 1 to 4 are allowed"}},
		{"names of interfaces, four", "gateway: {name: a, underlay: {interface: [eth1, a/b, abcdefghijklmnop, eth1]}}\n", []string{
			"1:49: gateway.underlay.interface: \"a/b\" is not an interface's name", "1:54: gateway.underlay.interface: \"abcdefghijklmnop\" is not",
			"1:72: gateway.underlay.interface: eth1 is there twice, first in line 1"}},
		{"no interface", "gateway: {name: a, underlay: {interface: []}}\n", []string{"1:31: gateway.underlay.interface: an empty list was found"}},
		{"numbers", "gateway: {name: a, underlay: {interface: e, port: 0, mtu: 65536}}\n", []string{
			"1:51: gateway.underlay.port: 0 is out of range: 1 to 65535", "1:59: gateway.underlay.mtu: 65536 is out of range"}},
		{"addresses", "gateway: {name: a, underlay: {interface: e, address: 224.0.0.1}}\n", []string{"1:54: gateway.underlay.address: 224.0.0.1 is a multicast address"}},
		{"booleans", "gateway: {name: a, underlay: {interface: e, zero-checksum6: yes, reserved-bits: false}}\n", []string{
			"1:61: gateway.underlay.zero-checksum6: \"yes\" was found: true or false is allowed",
			"1:81: gateway.underlay.reserved-bits: \"false\" was found: drop or ignore is allowed"}},
		{"quoted boolean", "gateway: {name: a, underlay: {interface: e, zero-checksum6: \"true\"}}\n", []string{
			"1:61: gateway.underlay.zero-checksum6: text in quotes was found: true or false is allowed"}},
		{"quoted numbers", "gateway: {name: \"7\", underlay: {interface: e, port: \"4789\", mtu: '1600'}}\nextensions:\n  a:\n    attachment: {interface: eth2, vlan: \"7\", pcp: \"1\"}\n    overlay: {vni: \"1\", peers: [192.0.2.1]}\n    guard: {mss: \"1000\", inner-vlan: [\"7\"], macs: {limit: \"9\"}}\n", []string{
			"1:53: gateway.underlay.port: text in quotes was found: 1 to 65535 is allowed, without quotes", "1:66: gateway.underlay.mtu: text in quotes",
			"4:51: extensions.a.attachment.pcp: text in quotes", "5:20: extensions.a.overlay.vni: text in quotes", "6:18: extensions.a.guard.mss: text in quotes",
			"6:39: extensions.a.guard.inner-vlan: text in quotes", "6:59: extensions.a.guard.macs.limit: text in quotes"}},
		{"paths", "gateway: {name: a, underlay: {interface: e}, api: {socket: x.sock, listen: 9471}, state: /}\n", []string{
			"1:60: gateway.api.socket: \"x.sock\" is not an absolute path", "1:76: gateway.api.listen: 9471 is not an address and a port",
			"1:90: gateway.state: \"/\" ends with a slash"}},
		{"TLS without all files", "gateway: {name: a, underlay: {interface: e}, api: {listen: \"127.0.0.1:9471\", tls: {certificate: /c, key: k}}}\n", []string{
			"1:78: gateway.api.tls: clients is missing: a file such as /etc/drawbridge/clients.pem is needed", "1:106: gateway.api.tls.key: \"k\" is not an absolute path",
		}},
		{"TLS without listen", "gateway: {name: a, underlay: {interface: e}, api: {tls: {certificate: /c, key: /k, clients: /a}}}\n", []string{
			"1:52: gateway.api.tls: there is no gateway.api.listen: an address and a port such as 192.0.2.10:9471 is needed",
		}},
		{"listen everywhere", "gateway: {name: a, underlay: {interface: e}, api: {listen: \":9471\"}}\n", []string{"1:60: gateway.api.listen: "}},
		{"small MTU over IPv6", "gateway: {name: a, underlay: {interface: e, address: \"2001:db8::1\", mtu: 1279}}\n", []string{
			"1:74: gateway.underlay.mtu: 1279 is out of range over IPv6: auto or 1280 to 65535 is allowed"}},
		{"passthrough of an uplink", "interfaces:\n  eth1: {passthrough: true}\n  a/b: {}\n" + head, []string{
			"2:3: interfaces.eth1: it is an uplink (gateway.underlay.interface in line 4)", "3:3: interfaces.a/b: \"a/b\" is not an interface's name"}},

		// Peers.
		{"groups", "peer-groups:\n  Pod: [192.0.2.1]\n  p1: []\n  p2: 192.0.2.1\n  p3: [192.0.2.1, 192.0.2.1, p1]\n" + head, []string{
			"2:3: peer-groups.Pod: \"Pod\" is not a name", "3:3: peer-groups.p1: the group is empty", "4:7: peer-groups.p2: 192.0.2.1 was found: a list of",
			"5:19: peer-groups.p3: 192.0.2.1 is there twice, first in line 5", "5:30: peer-groups.p3: \"p1\" is not an IP address"}},
		{"peers", head + "  a:\n    attachment: {interface: eth2, vlan: 1}\n    overlay:\n      vni: 1\n      peers: [192.0.2.1, 192.0.2.1, 0.0.0.0, 127.0.0.1, 224.0.0.1, fe80::1%eth0, fe80::1, ::ffff:192.0.2.1, 255.255.255.255, 2001:db8::1, x1]\n", []string{
			"7:26: extensions.a.overlay.peers: 192.0.2.1 is there twice", "7:37: extensions.a.overlay.peers: 0.0.0.0 is the unspecified address",
			"7:46: extensions.a.overlay.peers: 127.0.0.1 is a loopback address", "7:57: extensions.a.overlay.peers: 224.0.0.1 is a multicast address",
			"7:68: extensions.a.overlay.peers: fe80::1%eth0 has a zone", "7:82: extensions.a.overlay.peers: fe80::1 is a link-local address",
			"7:91: extensions.a.overlay.peers: ::ffff:192.0.2.1 is an IPv4 address written as IPv6: write 192.0.2.1",
			"7:109: extensions.a.overlay.peers: 255.255.255.255 is not a unicast address",
			"7:126: extensions.a.overlay.peers: 2001:db8::1 is of another IP family than 192.0.2.1 in line 7",
			"7:139: extensions.a.overlay.peers: \"x1\" is no IP address, and no peer group has this name"}},
		{"no peers", head + "  a: {attachment: {interface: eth2, vlan: 1}, overlay: {vni: 1, peers: []}}\n", []string{
			"3:65: extensions.a.overlay.peers: the list is empty"}},
		{"too many peers", tooManyPeers(), []string{"5:25: extensions.a.overlay.peers: 129 VTEPs were found, with those of peer groups: at most 128 are allowed"}},
		{"broken group is not unknown", "peer-groups:\n  pod1: [\n" + head + "  a: {attachment: {interface: eth2, vlan: 1}, overlay: {vni: 1, peers: [pod1]}}\n", []string{"2:9: not YAML"}},

		// Extensions.
		{"incomplete", head + "  a:\n  B: {attachment: {}, overlay: {}}\n", []string{
			"3:3: extensions.a: attachment is missing", "3:3: extensions.a: overlay is missing",
			"4:3: extensions.B: \"B\" is not a name", "4:7: extensions.B.attachment: interface is missing", "4:7: extensions.B.attachment: vlan is missing: 1–4094",
			"4:23: extensions.B.overlay: vni is missing", "4:23: extensions.B.overlay: peers is missing"}},
		{"encapsulation", head + "  a: {attachment: {interface: eth2, vlan: 1}, overlay: {encapsulation: geneve, vni: 1, peers: [192.0.2.1]}}\n", []string{
			"3:72: extensions.a.overlay.encapsulation: \"geneve\" was found: vxlan is allowed"}},
		{"circuit twice", head + entryText("a", 5, 1) + entryText("b", 5, 2), []string{
			"4:43: extensions.b.attachment.vlan: the circuit 5 on eth2 belongs to extension a in line 3"}},
		{"VNI twice", head + entryText("a", 5, 1) + entryText("b", 6, 1), []string{
			"4:62: extensions.b.overlay.vni: 1 belongs to extension a in line 3: one extension a VNI is allowed"}},
		{"extension twice", head + entryText("a", 5, 1) + entryText("a", 6, 2), []string{"4:3: extensions.a: the key is there twice, first in line 3"}},
		{"customer on an uplink", head + "  a: {attachment: {interface: eth1, vlan: 1}, overlay: {vni: 1, peers: [192.0.2.1]}}\n", []string{
			"3:31: extensions.a.attachment.interface: eth1 is an uplink"}},
		{"untagged with tag", head + "  a: {attachment: {interface: eth2, vlan: untagged, tpid: 0x8100, pcp: 3}, overlay: {vni: 1, peers: [192.0.2.1]}}\n", []string{
			"3:53: extensions.a.attachment.tpid: an untagged circuit has no tag", "3:67: extensions.a.attachment.pcp: an untagged circuit has no tag"}},
		{"tag", head + "  a: {attachment: {interface: eth2, vlan: 1, tpid: 0x9100, pcp: 8}, overlay: {vni: 1, peers: [192.0.2.1]}}\n", []string{
			"3:52: extensions.a.attachment.tpid: 0x9100 was found: 0x8100 or 0x88a8 is allowed", "3:65: extensions.a.attachment.pcp: 8 is out of range"}},
		{"description", head + "  a: {description: \"a\\eb\", attachment: {interface: eth2, vlan: 1}, overlay: {vni: 1, peers: [192.0.2.1]}}\n", []string{
			"3:20: extensions.a.description: \"a\\x1bb\" has a line break or a control character"}},

		// Guards.
		{"words", guardText("profile: a, mode: on, mss: 535, cpu: 20, inner-vlan: yes"), []string{
			"6:22: extensions.acme.guard.profile: \"a\" was found: stretched or hosted", "6:31: extensions.acme.guard.mode: \"on\" was found: enforce, observe or off",
			"6:40: extensions.acme.guard.mss: 535 is out of range", "6:50: extensions.acme.guard.cpu: 20 is not a share", "6:66: extensions.acme.guard.inner-vlan: \"yes\" was found"}},
		{"inner VLANs", guardText("inner-vlan: [10, 10, 0, 4095, 010]"), []string{
			"6:30: extensions.acme.guard.inner-vlan: 10 is there twice", "6:34: extensions.acme.guard.inner-vlan: 0 is out of range",
			"6:37: extensions.acme.guard.inner-vlan: 4095 is out of range", "6:43: extensions.acme.guard.inner-vlan: 010 starts with 0"}},
		{"flood", guardText(`flood: {allow: ["03:bf:*", "03:bf:00:00:00:00/16", "*", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:00/0"], rate: 0pps}`), []string{
			"6:40: extensions.acme.guard.flood.allow: 03:bf:00:00:00:00/16 is there twice", "6:64: extensions.acme.guard.flood.allow: \"*\" is not a MAC address",
			"6:69: extensions.acme.guard.flood.allow: ff:ff:ff:ff:ff:ff is broadcast", "6:90: extensions.acme.guard.flood.allow: 01:00:5e:00:00:00/0: the length 0 is out of range",
			"6:120: extensions.acme.guard.flood.rate: 0pps lets nothing through"}},
		{"MACs", guardText("macs: {limit: 0, rate: 0/s, age: 1, moves: 5, fast-moves: 9/1s}"), []string{
			"6:27: extensions.acme.guard.macs.limit: 0 is out of range", "6:36: extensions.acme.guard.macs.rate: 0/s lets nothing through",
			"6:46: extensions.acme.guard.macs.age: 1 is not a duration", "6:56: extensions.acme.guard.macs.moves: 5 is not a count within a time",
			"6:71: extensions.acme.guard.macs.fast-moves: 9 moves are never reached"}},
		{"fast moves that are slow", guardText("macs: {moves: 5/10s, fast-moves: 3/20s}"), []string{"6:46: extensions.acme.guard.macs.fast-moves: 20s is longer than the 10s of macs.moves"}},
		{"stations", guardText(`macs: {pinned: ["00:00:00:00:00:00", "03:00:00:00:00:01", "02:00:00:00:00:01", "02-00-00-00-00-01"]}`), []string{
			"6:29: extensions.acme.guard.macs.pinned: 00:00:00:00:00:00 is no station's address", "6:50: extensions.acme.guard.macs.pinned: 03:00:00:00:00:01 is a group's address",
			"6:92: extensions.acme.guard.macs.pinned: 02:00:00:00:00:01 is there twice"}},
		{"static", guardText(`macs: {static: [{mac: "02:00:00:00:00:01", side: customer, vtep: 192.0.2.20}, {mac: "02:00:00:00:00:02", side: cloud}, {side: cloud, vtep: 192.0.2.20}, {mac: "02:00:00:00:00:03", side: cloud, vtep: 192.0.2.99}]}`), []string{
			"6:72: extensions.acme.guard.macs.static.vtep: a station on the customer's side is behind no VTEP",
			"6:91: extensions.acme.guard.macs.static: vtep is missing", "6:132: extensions.acme.guard.macs.static: mac is missing",
			"6:211: extensions.acme.guard.macs.static.vtep: 192.0.2.99 is not among the extension's peers"}},
		{"static and pinned", guardText(`macs: {static: [{mac: "02:00:00:00:00:01", side: customer}], pinned: ["02:00:00:00:00:01"]}`), []string{
			"6:83: extensions.acme.guard.macs.pinned: 02:00:00:00:00:01 is in macs.pinned and in macs.static, first in line 6, but pinned means the cloud"}},
		{"static twice", guardText(`macs: {static: [{mac: "02:00:00:00:00:01", side: customer}, {mac: "02:00:00:00:00:01", side: customer}]}`), []string{
			"6:79: extensions.acme.guard.macs.static: 02:00:00:00:00:01 is there twice"}},
		{"protect", guardText(`protect: [10.1.0.1, 10.1.0.1, 0.0.0.0, x]`), []string{
			"6:33: extensions.acme.guard.protect: 10.1.0.1 is there twice", "6:43: extensions.acme.guard.protect: 0.0.0.0 is the unspecified", "6:52: extensions.acme.guard.protect: \"x\" is not an IP"}},
		{"services", guardText(`services: {dhcp: all, ntp: both}`), []string{
			"6:30: extensions.acme.guard.services.dhcp: \"all\" was found: both, cloud, customer or none", "6:35: extensions.acme.guard.services: unknown key \"ntp\""}},
		{"control frames", guardText(`control-frames: {lldp: yes, pause: tunnel}`), []string{
			"6:36: extensions.acme.guard.control-frames.lldp: \"yes\" was found: drop or tunnel", "6:41: extensions.acme.guard.control-frames: unknown key \"pause\""}},
		{"loop and trip", guardText(`loop: {probe: 5ms, fingerprint: 1}, trip: {auto: off}`), []string{
			"6:27: extensions.acme.guard.loop.probe: 5ms is out of range: 10ms to 1s", "6:45: extensions.acme.guard.loop.fingerprint: 1 was found: true or false",
			"6:62: extensions.acme.guard.trip.auto: \"off\" was found"}},
		{"unknown VTEP stays quiet when peers are at fault", strings.Replace(
			guardText(`macs: {static: [{mac: "02:00:00:00:00:03", side: cloud, vtep: 192.0.2.99}]}`), "192.0.2.20", "192.0.2.x", 1), []string{
			"5:31: extensions.acme.overlay.peers: 192.0.2.x is not an IP address"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse("f.yaml", []byte(tt.text), func() (string, error) { return "", nil })
			var faults Faults
			if !errors.As(err, &faults) {
				t.Fatalf("no faults, but %v", err)
			}
			checkFaultList(t, faults, "f.yaml:", tt.want)
			if t.Failed() {
				t.Logf("text:\n%s", tt.text)
			}
		})
	}
}

// What is out of range is told with its bounds.
func TestFaultsNameTheBounds(t *testing.T) {
	frames := fmt.Sprint("from 1 to ", maxPackets)
	deep := strings.Repeat("[", maxNesting+1) + strings.Repeat("]", maxNesting+1)
	keys := "" // in quotes, as the simple reader does not take them
	for i := range maxBlockKeys + 1 {
		keys += fmt.Sprintf("      \"k%d\": 1\n", i)
	}
	for text, want := range map[string]string{
		guardText("storm: {broadcast: 4000000000pps}"):                       "broadcast: 4000000000pps is out of range: a rate such as 200pps, 200pps burst 400 or 200pps 1Mbps, frames " + frames + ", bits at most 1000Gbps with a burst from 1ms to 1h, is allowed",
		guardText("storm: {broadcast: 200pps 2000Gbps}"):                     "at most 1000Gbps",
		guardText("flood: {rate: 200pps burst 4000000000}"):                  frames,
		guardText("bandwidth: {to-cloud: 100Mbps burst 0ms}"):                "burst 0ms is out of range: a rate such as 100Mbps or 100Mbps burst 100ms, in bps, kbps, Mbps or Gbps, at most 1000Gbps with a burst from 1ms to 1h, is allowed",
		guardText("bandwidth: {to-customer: 2000Gbps}"):                      "at most 1000Gbps",
		guardText("macs: {rate: 1000001/s}"):                                 "1/s to 1000000/s",
		guardText("macs: {limit: 1048577}"):                                  "1 to 1048576 is allowed",
		guardText("macs: {age: 1000001s}"):                                   "1s to 1000000s is allowed",
		guardText("macs: {moves: 0/180s}"):                                   "moves: 0/180s: the count 0 is out of range: a count from 1 to 1000 within 100ms to 24h, such as 5/180s, is allowed",
		guardText("macs: {fast-moves: 3/1000000s}"):                          "within 100ms to 24h",
		guardText("macs: {fast-moves: 99999999/1s}"):                         "from 1 to 1000",
		guardText("macs: {moves: 5/90m, fast-moves: 3/2h}"):                  "2h is longer than the 90m of macs.moves",
		guardText(`flood: {allow: ["01:00:5e:00:00:00/49"]}`):                "with 1 to 48 bits, is allowed",
		guardText("mss: " + deep):                                            fmt.Sprintf("nested too deeply: at most %d levels of brackets or dashes, and an indentation of at most %d spaces are allowed", maxNesting, maxIndent),
		head + "  a:\n" + keys:                                               fmt.Sprintf("too many keys: at most %d are allowed", maxBlockKeys),
		"gateway: {api: {listen: \"127.0.0.1:99999\"}}\n":                    "the port 99999 is out of range: \"\" or an address and a port (1 to 65535)",
		"gateway: {api: {tls: {key: /" + strings.Repeat("a", 4095) + "}}}\n": "is 4096 bytes long: an absolute path of at most 4095 bytes",
	} {
		if _, err := Parse("f.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.300s\nwant %s", err, want)
		}
	}
}

func tooManyPeers() string {
	var addresses []string
	for i := range 128 {
		addresses = append(addresses, fmt.Sprintf("192.0.2.%d", i+1))
	}
	return "peer-groups:\n  pod1: [" + strings.Join(addresses, ", ") + "]\n" + head +
		"  a: {overlay: {vni: 1, peers: [pod1, 198.51.100.1]}, attachment: {interface: eth2, vlan: 1}}\n"
}

func TestFaultsAreBounded(t *testing.T) {
	_, err := Parse("f.yaml", []byte(head+"# "+strings.Repeat("\x01", 3*maxFaults)+"\n"))
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != maxFaults+1 {
		t.Fatalf("%d faults", len(faults))
	}
	if last := faults[maxFaults].String(); !strings.Contains(last, fmt.Sprint(2*maxFaults, " more faults are not shown")) {
		t.Errorf("the last fault is %s", last)
	}
}

// All faults are told, also when everything about every extension is wrong.
func TestEveryExtensionAtFault(t *testing.T) {
	text := strings.NewReplacer("vlan: ", "vlan: 5000", "vni: ", "vni: 9999999", "limit: 100", "limit: 0").Replace(string(manyExtensions(maxExtensions)))
	_, err := Parse("f.yaml", []byte(text))
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != 3*maxExtensions {
		t.Fatalf("%d faults, want %d", len(faults), 3*maxExtensions)
	}
	if told := err.Error(); strings.Count(told, "\n") != 3*maxExtensions-1 || !strings.Contains(told, fmt.Sprintf("customer-%d.guard.macs.limit: 0 is", maxExtensions-1)) {
		t.Errorf("told: …%s", told[len(told)-200:])
	}
}

func TestTooManyExtensions(t *testing.T) {
	_, err := Parse("f.yaml", manyExtensions(maxExtensions+1))
	if err == nil || !strings.Contains(err.Error(), "extensions: 4097 extensions were found: at most 4096 are allowed") {
		t.Errorf("err is %.200v", err)
	}
	if _, err := Parse("f.yaml", manyExtensions(maxExtensions)); err != nil {
		t.Errorf("4096 extensions: %.200v", err)
	}
}
