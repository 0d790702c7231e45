package fanout

import "sync/atomic"

// Counters count what floors do; one set may serve many floors.
type Counters struct {
	Received      atomic.Int64 // packets of speakers handed in
	Forwarded     atomic.Int64 // of these: given to at least one slot
	Sent          atomic.Int64 // packets sealed for listeners
	Markers       atomic.Int64 // TOC-only packets made by us
	Resent        atomic.Int64 // answers to NACKs
	Reports       atomic.Int64 // sender reports
	Repaired      atomic.Int64 // holes in a slot filled from RED
	Reforms       atomic.Int64 // listeners moved to another framing or redundancy
	DropMalformed atomic.Int64 // not Opus
	DropMuted     atomic.Int64 // the speaker's grant does not forward
	DropRate      atomic.Int64 // over the speaker's own budget
	DropSize      atomic.Int64 // larger than MaxPayload
	DropPadding   atomic.Int64 // nothing but padding
	DropQuiet     atomic.Int64 // no slot: others are louder
	DropLate      atomic.Int64 // too late for the cache, or from before the slot was his
	DropNack      atomic.Int64 // asked again beyond the listener's budget, or no longer there
	DropSlow      atomic.Int64 // a stream path's queue was full
}
