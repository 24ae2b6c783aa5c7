// SPDX-License-Identifier: Apache-2.0

package config

// Services says on which side a server may stand for stations of the other side.
type Services struct{ DHCP, Router, FHRP, Querier Servers }

// Servers is a set of sides. The zero value is neither.
type Servers uint8

// The four sets.
const (
	ServeNone     Servers = 0
	ServeCustomer Servers = 1
	ServeCloud    Servers = 2
	ServeBoth     Servers = ServeCustomer | ServeCloud
)

// String prints none, customer, cloud or both.
func (s Servers) String() string {
	return [...]string{"none", "customer", "cloud", "both"}[s&3]
}

// defaultServices lets both sides serve, except that first-hop routers of a stretched segment do not see
// each other; in a hosted segment the provider serves.
func defaultServices(p Profile) Services {
	if p == Hosted {
		return Services{DHCP: ServeCloud, Router: ServeCloud, FHRP: ServeCloud, Querier: ServeCloud}
	}
	return Services{DHCP: ServeBoth, Router: ServeBoth, FHRP: ServeNone, Querier: ServeBoth}
}

func (g *guardReader) services(path string, n *node) {
	service := func(key string, into *Servers) field {
		return choice(g.reader, key, into, option[Servers]{"both", ServeBoth}, option[Servers]{"cloud", ServeCloud},
			option[Servers]{"customer", ServeCustomer}, option[Servers]{"none", ServeNone})
	}
	s := &g.guard.Services
	g.mapping(path, n, []field{
		service("dhcp", &s.DHCP), service("router", &s.Router), service("fhrp", &s.FHRP), service("querier", &s.Querier),
	})
}
