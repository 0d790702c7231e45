package outbound

import (
	"net"
	"net/netip"
)

// global is where public IPv6 addresses are (RFC 4291 section 2.4, IANA IPv6 Global
// Unicast Address Assignments): everything outside is refused unseen, among it
// loopback, link-local, unique local (fc00::/7, with the metadata services of some
// clouds), multicast, IPv4-compatible, and addresses translated to IPv4 by NAT64
// (64:ff9b::/96 and 64:ff9b:1::/48, RFC 6052 and RFC 8215).
var global = netip.MustParsePrefix("2000::/3")

// special are networks that are not the public internet, or reach another one
// through it: the IANA registries of special-purpose addresses (RFC 6890), and
// what clouds have put elsewhere.
var special = prefixes(
	// IPv4
	"0.0.0.0/8",        // this network
	"10.0.0.0/8",       // private
	"100.64.0.0/10",    // shared by carriers (RFC 6598); metadata of Alibaba Cloud
	"127.0.0.0/8",      // loopback
	"168.63.129.16/32", // the host behind every machine of Azure
	"169.254.0.0/16",   // link-local; metadata of most clouds
	"172.16.0.0/12",    // private
	"192.0.0.0/24",     // protocol assignments; metadata of Oracle Cloud
	"192.0.2.0/24",     // documentation
	"192.31.196.0/24",  // AS112
	"192.52.193.0/24",  // multicast tunnels
	"192.88.99.0/24",   // relays to 6to4
	"192.168.0.0/16",   // private
	"192.175.48.0/24",  // AS112
	"198.18.0.0/15",    // benchmarking
	"198.51.100.0/24",  // documentation
	"203.0.113.0/24",   // documentation
	"224.0.0.0/4",      // multicast
	"240.0.0.0/4",      // reserved, and broadcast
	// IPv6 within global
	"2001::/23",         // protocol assignments: Teredo, ORCHID, benchmarking
	"2001:db8::/32",     // documentation
	"2002::/16",         // 6to4, which carries any IPv4 address
	"2620:4f:8000::/48", // AS112
	"3fff::/20",         // documentation
)

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

// Public says whether an address is one of the public internet. An IPv4 address
// written as IPv6 (::ffff:0:0/96) is looked at as the IPv4 address it is.
func Public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsValid() || a.Zone() != "" || a.Is6() && !global.Contains(a) {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// own says whether the address is one of this machine's, behind which there may
// be what listens for the machine alone. Who cannot tell refuses.
func own(a netip.Addr) bool {
	mine, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	for _, m := range mine {
		if p, err := netip.ParsePrefix(m.String()); err == nil && p.Addr().Unmap() == a.Unmap() {
			return true
		}
	}
	return false
}
