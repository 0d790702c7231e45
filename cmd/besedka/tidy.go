package main

import (
	"os"
	"runtime/debug"
)

const (
	// crowdGarbage and calmGarbage are how much of the living memory may be garbage,
	// in percent, until it is collected: while many join it is made fast and time is
	// dear, and afterwards it would only stay resident. A join leaves more behind than all
	// who are there need, so that with the usual 100 percent it is collected all the time.
	crowdGarbage = 300
	calmGarbage  = 50
)

// tidy gives memory back when a crowd has joined. Who has set GOGC has it his way.
func tidy(calm bool) {
	own := os.Getenv("GOGC") != ""
	switch {
	case calm && !own:
		debug.SetGCPercent(calmGarbage)
	case !own:
		debug.SetGCPercent(crowdGarbage)
	}
	if calm {
		debug.FreeOSMemory()
	}
}
