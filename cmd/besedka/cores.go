package main

import (
	"os"
	"runtime"
)

// spareThread lets Go run one thread more than there are cores, and gives the number of
// cores. Go does not interrupt a handshake because a packet has come; the system does,
// if somebody else waits for the packet. Who has set GOMAXPROCS has it his way.
func spareThread() (cores int) {
	cores = runtime.GOMAXPROCS(0)
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(cores + 1)
	}
	return cores
}
