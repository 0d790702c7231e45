// Command run opens one relay (see package relay) and is driven by lines of JSON on
// its standard input. It ends when the input does, so that it never outlives the
// test that started it, in whatever network namespace that was.
//
//	run -network udp -listen 10.0.0.1:7000 -server 10.0.1.1:7000 -seed 1
package main

import (
	"flag"
	"fmt"
	"net/netip"
	"os"

	"besedka/test/relay"
)

func main() {
	var c relay.Config
	flag.StringVar(&c.Network, "network", "udp", "udp or tcp")
	flag.Uint64Var(&c.Seed, "seed", 1, "decides which packets suffer")
	flag.TextVar(&c.Listen, "listen", netip.MustParseAddrPort("127.0.0.1:0"), "address for the clients")
	flag.TextVar(&c.Server, "server", netip.AddrPort{}, "address of the server")
	flag.Parse()
	if err := run(c); err != nil {
		fmt.Fprintln(os.Stderr, "relay:", err)
		os.Exit(1)
	}
}

func run(c relay.Config) error {
	r, err := relay.Open(c)
	if err != nil {
		return err
	}
	defer r.Close()
	return relay.Control(r, os.Stdin, os.Stdout)
}
