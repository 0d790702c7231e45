package outbound

import (
	"net"
	"net/netip"
	"testing"
)

func TestOnlyPublicAddressesAreCalled(t *testing.T) {
	for _, text := range []string{
		// this machine and its link
		"0.0.0.0", "0.1.2.3", "127.0.0.1", "127.1.2.3", "127.255.255.255", "169.254.0.1", "::", "::1", "fe80::1", "fe80::1%eth0", "febf::1",
		// private networks, carriers', old site-local
		"10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255", "100.64.0.1", "100.127.255.255",
		"fc00::1", "fd12:3456:789a::1", "fec0::1",
		// metadata services of clouds
		"169.254.169.254", "169.254.170.2", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16",
		// the same, as IPv6 writes IPv4
		"::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::ffff:100.64.0.1", "::ffff:0.0.0.0", "::127.0.0.1", "::ffff:0:127.0.0.1",
		"64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b::5db8:d822", "64:ff9b:1::1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:5db8:d822::1",
		"2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
		// what leads nowhere, or to many
		"192.0.0.8", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "198.19.255.255", "192.88.99.1", "192.31.196.1", "192.52.193.1", "192.175.48.1",
		"224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "ff02::1", "ff0e::1", "100::1", "2001:2::1", "2001:10::1", "2001:20::1",
		"2001:db8::1", "3fff::1", "2620:4f:8000::1", "4000::1", "5f00::1", "e000::1",
	} {
		a, err := netip.ParseAddr(text)
		if err != nil {
			t.Fatal(err)
		}
		if Public(a) {
			t.Errorf("%s counts as public", text)
		}
	}
	if Public(netip.Addr{}) {
		t.Error("no address counts as public")
	}
	for _, text := range []string{
		"1.1.1.1", "8.8.8.8", "93.184.216.34", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1",
		"169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
		"::ffff:8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "2a00:1450:4001:81b::200e", "2001:4860:4860::8888", "2001:200::1", "2003::1", "3ffe::1",
	} {
		if !Public(netip.MustParseAddr(text)) {
			t.Errorf("%s does not count as public", text)
		}
	}
}

func TestThisMachineIsNotCalledByAnyOfItsAddresses(t *testing.T) {
	mine, err := net.InterfaceAddrs()
	if err != nil || len(mine) == 0 {
		t.Fatalf("no addresses: %v", err)
	}
	for _, m := range mine {
		if a := netip.MustParsePrefix(m.String()).Addr(); !own(a) || a.Is4() && !own(netip.AddrFrom16(a.As16())) {
			t.Errorf("%s is not known as this machine's", a)
		}
	}
	if own(netip.MustParseAddr("93.184.216.34")) {
		t.Error("an address of others counts as this machine's")
	}
}
