// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// Gateway is what concerns the gateway as a whole.
type Gateway struct {
	Name     l2.Name
	Engine   string // "auto", "xdp" or "tc"
	Underlay Underlay
	API      API
	State    string // the directory of what outlives the daemon, absolute
}

// Underlay is the IP network that carries the tunnels.
type Underlay struct {
	Interfaces         []string   // 1 to 4 uplinks of equal cost
	Address            netip.Addr // the local VTEP; invalid: the uplink's only global address
	Port               uint16     // UDP destination port
	MTU                int        // bytes of the outer IP packet; 0: the uplink's
	ZeroChecksum6      bool       // RFC 6935: outer UDP checksum 0 over IPv6
	IgnoreReservedBits bool       // RFC 7348 §5's reading: reserved bits are ignored on receipt
}

// API says where the daemon listens.
type API struct {
	Socket string // unix socket, absolute path
	Listen string // host:port of HTTP over TCP; empty: none
	TLS    TLS
}

// TLS names the files of HTTPS over TCP, all or none; none: HTTP without it.
type TLS struct {
	Certificate string // with its chain, PEM
	Key         string
	Clients     string // authorities whose certificates clients may show
}

// IsSet reports whether there is TLS.
func (t TLS) IsSet() bool { return t.Certificate != "" }

const (
	maxUplinks    = 4
	maxSocketPath = 107 // bytes: sun_path of unix(7) without its final zero
	maxPath       = 4095
	minMTU4       = 576  // RFC 1122 §3.3.2: what every IPv4 host takes
	minMTU6       = 1280 // RFC 8200 §5
)

// gatewayPlaces is where the values stand that are checked against other sections.
type gatewayPlaces struct {
	address, mtu place
	named        bool // gateway.name is there, right or wrong
	uplinks      []place
}

func defaultGateway() Gateway {
	return Gateway{
		Engine:   "auto",
		Underlay: Underlay{Port: 4789},
		API:      API{Socket: "/run/drawbridge/api.sock"},
		State:    "/var/lib/drawbridge",
	}
}

func (r *reader) gateway(path string, n *node, d *draft) {
	g := &d.config.Gateway
	d.gateway.named = n.get("name") != nil || n.partly || n.kind == broken
	r.mapping(path, n, []field{
		value(r, "name", nameAllowed, parseName, &g.Name),
		choice(r, "engine", &g.Engine, option[string]{"auto", "auto"}, option[string]{"xdp", "xdp"}, option[string]{"tc", "tc"}),
		{key: "underlay", need: "underlay: {interface: eth1}", read: func(path string, n *node) { r.underlay(path, n, d) }},
		{key: "api", read: func(path string, n *node) { r.api(path, n, &g.API) }},
		value(r, "state", pathAllowed(maxPath), parsePath(maxPath), &g.State),
	})
}

func (r *reader) underlay(path string, n *node, d *draft) {
	u := &d.config.Gateway.Underlay
	r.mapping(path, n, []field{
		{key: "interface", need: interfaceAllowed, read: func(path string, n *node) { r.uplinks(path, n, d) }},
		{key: "address", read: func(path string, n *node) {
			if read(r, path, n, "an IPv4 or IPv6 unicast address of this host, not link-local,", parseVTEP, &u.Address) {
				d.gateway.address = n.at
			}
		}},
		number(r, "port", "1 to 65535", numberIn[uint16](1, 65535), &u.Port),
		{key: "mtu", read: func(path string, n *node) {
			if readNumber(r, path, n, "auto or 576 to 65535", parseMTU, &u.MTU) && u.MTU != 0 {
				d.gateway.mtu = n.at
			}
		}},
		boolean(r, "zero-checksum6", &u.ZeroChecksum6),
		choice(r, "reserved-bits", &u.IgnoreReservedBits, option[bool]{"drop", false}, option[bool]{"ignore", true}),
	})
}

// uplinks reads one interface, or a list of up to four.
func (r *reader) uplinks(path string, n *node, d *draft) {
	names := []*node{n}
	if n.kind == list {
		names = n.items
		if len(names) == 0 {
			r.add(n.home(), "%s: an empty list was found: 1 to %d interfaces are allowed", path, maxUplinks)
		}
		if len(names) > maxUplinks {
			r.add(names[maxUplinks].home(), "%s: %d interfaces were found: 1 to %d are allowed", path, len(names), maxUplinks)
			names = names[:maxUplinks]
		}
	}
	for _, n := range names {
		var name string
		if !read(r, path, n, interfaceAllowed, parseInterface, &name) {
			continue
		}
		if i := d.uplink(name); i >= 0 {
			r.add(n.at, "%s: %s is there twice, first %s: once is allowed", path, name, r.where(d.gateway.uplinks[i]))
			continue
		}
		d.config.Gateway.Underlay.Interfaces = append(d.config.Gateway.Underlay.Interfaces, name)
		d.gateway.uplinks = append(d.gateway.uplinks, n.at)
	}
}

// uplink returns the index of an uplink, or -1.
func (d *draft) uplink(name string) int {
	for i, u := range d.config.Gateway.Underlay.Interfaces {
		if u == name {
			return i
		}
	}
	return -1
}

func (r *reader) api(path string, n *node, api *API) {
	var tls *node
	r.mapping(path, n, []field{
		value(r, "socket", pathAllowed(maxSocketPath), parsePath(maxSocketPath), &api.Socket),
		value(r, "listen", `"" or an address and a port (1 to 65535) such as 127.0.0.1:9471`, parseListen, &api.Listen),
		{key: "tls", read: func(path string, n *node) { r.tls(path, n, &api.TLS); tls = n }},
	})
	if tls != nil && api.TLS.IsSet() && api.Listen == "" {
		r.add(tls.home(), "%s.tls: there is no %s.listen: an address and a port such as 192.0.2.10:9471 is needed", path, path)
	}
}

// tls reads the files' names: all three are needed.
func (r *reader) tls(path string, n *node, t *TLS) {
	file := func(key string, into *string) field {
		f := value(r, key, pathAllowed(maxPath), parsePath(maxPath), into)
		f.need = "a file such as /etc/drawbridge/" + key + ".pem"
		return f
	}
	r.mapping(path, n, []field{file("certificate", &t.Certificate), file("key", &t.Key), file("clients", &t.Clients)})
}

// parseMTU reads auto, as 0, or a number of bytes.
func parseMTU(s string) (int, error) {
	if s == "auto" {
		return 0, nil
	}
	return numberIn(minMTU4, 65535)(s)
}

// parseListen reads where to listen. No address at all would be every address of the host: whoever
// means that writes [::], or 0.0.0.0 for IPv4 alone.
func parseListen(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", fmt.Errorf("%s is not an address and a port", show(s))
	}
	if _, err := numberIn[uint16](1, 65535)(port); err != nil {
		return "", fmt.Errorf("%s: the port %w", show(s), err)
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "localhost" {
		return "", fmt.Errorf("%s: %s is not an IP address or localhost", show(s), show(host))
	}
	return s, nil
}

// gatewayName fills in the host's name when the file has none.
func (r *reader) gatewayName(d *draft) {
	if d.gateway.named {
		return
	}
	host, err := d.hostname()
	if err == nil {
		var name l2.Name
		if name, err = nameOfHost(host); err == nil {
			d.config.Gateway.Name = name
			return
		}
	}
	r.add(place{1, 1}, "gateway.name is missing, and the host's name does not serve: %s: set gateway.name to %s", err, nameAllowed)
}

// nameOfHost makes a name of a host's: its first label in lower case, with hyphens for what a name
// may not hold.
func nameOfHost(host string) (l2.Name, error) {
	label, _, _ := strings.Cut(host, ".")
	return parseName(nameLetters(label))
}

// nameLetters lowers s and puts a hyphen for each character that a name may not hold.
func nameLetters(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'A' && c <= 'Z':
			return c - 'A' + 'a'
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			return c
		}
		return '-'
	}, s)
}
