// SPDX-License-Identifier: Apache-2.0

package config

import (
	"reflect"
	"strings"
	"testing"
)

// A tab that separates is as good as a space, wherever YAML has one.
func TestTabsSeparate(t *testing.T) {
	const text = `gateway:	# a comment	with one
  name:	gw-a	# and another
  underlay:	{interface:	[eth1,	eth3	], address:		192.0.2.10	,	mtu:	9000 }
  api:	
    listen:	"127.0.0.1:9471"	
peer-groups:	{pod1: [192.0.2.20]}
extensions:
  acme:	
    description:	'it''s	# ACME'
    attachment:
      interface:	eth2
      vlan:	2301	
    overlay:
      vni:	10100
      peers:
        -	pod1
        - 192.0.2.21	
    guard: {macs: {static: [{mac:	"02:00:00:00:00:01",	side:	customer}]}}
`
	_, err := Parse("f.yaml", []byte(text))
	const want = `f.yaml:9:18: extensions.acme.description: "it's\t# ACME" has a line break or a control character: one line of at most 256 characters is allowed`
	if err == nil || err.Error() != want {
		t.Errorf("a tab in quotes: %v", err)
	}
	tabbed := strings.Replace(text, "it''s\t#", "it''s #", 1)
	got, err := Parse("f.yaml", []byte(tabbed))
	if err != nil {
		t.Fatal(err)
	}
	spaced, err := Parse("f.yaml", []byte(strings.ReplaceAll(tabbed, "\t", " ")))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, spaced) {
		t.Errorf("got  %+v\nwant %+v", got, spaced)
	}
}

// Places count a tab as one character, and a tab inside a text is told as what it is: the parser would drop it.
func TestFaultsBehindTabs(t *testing.T) {
	for text, want := range map[string]string{
		"gateway:\n  name: a\n  underlay: {interface:\teth1,\tport:\t\t0}\n":                                               "f.yaml:3:38: gateway.underlay.port: 0 is out of range",
		"gateway:\n  name: gw\t-a\n  underlay: {interface: eth1}\n":                                                        "f.yaml:2:11: a tab was found inside a text: spaces are allowed, or the text in quotes",
		head + "  a: {description: Ä\tB, attachment: {interface: eth2, vlan: 1}, overlay: {vni: 1, peers: [192.0.2.1]}}\n": "f.yaml:3:21: a tab was found inside a text",
		head + "  a: {attachment: {interface: eth2, vlan:1\t}}\n":                                                          "f.yaml:3:37: \"vlan:1\" has a colon without a space behind it",
	} {
		if _, err := Parse("f.yaml", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
