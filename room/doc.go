// Package room holds the rules of a live conversation: who may come in, who is
// on stage, whose hand is up, who governs whom, and how a room ends.
//
// The rules are transitions of a State: plain functions without clock, input,
// output or randomness, one small file for each group.
//
//	access.go    who may know of a room and come in (D1, L13): the only place
//	open.go      opening, title, picking people (D1, D3, D4)
//	visibility.go  opening up to more people, after a warning (D2)
//	attribution.go what may be told outside, by everybody's yes (N11)
//	enter.go     taking and leaving a seat, the first two on stage (D5, D8, D10)
//	hands.go     raised hands (E4, E5)
//	queue.go     in which order they are served (E7, N10), by airtime.go
//	timer.go     turns to speak (E19)
//	suggest.go   whom one might bring up (E8)
//	stage.go     ways on and off stage, always by one's own act (E6, E9)
//	roles.go     who may change whose role (E1, E9, E10)
//	silence.go   mute (courtesy) and silence (held) (E11)
//	removal.go   removing and its undo (E12)
//	host.go      handing over, heirs, the end (D7)
//	overflow.go  full rooms and who listens besides (D6)
//	speaker_link.go, ping.go  ways in (D12, F1)
//	reactions.go, reset.go, hide.go, faces.go  (E15, D13, C3, E14)
//	block.go, veil.go  who keeps whom out, and who is not shown to whom (K1, K3)
//	roster.go, search.go  whom of a large audience one is shown (C9)
//	grants.go    what the media plane may carry, derived from a State
//	order.go     the order of faces (E2)
//	log.go       what moderators did, for all in the room (K12)
//	tick.go      what was set for a time that has come
//
// What must survive a crash (stage, hands, invitations, silences, removals,
// picks) is rows. Who is here is presence: seats in memory, kept by
// connections, never written. Seats are the truth about who is here; a row of
// somebody without a seat is debris that State.Tidy clears away.
//
// A command (service.go) runs under the room's lock: transition, then rows and
// facts in one transaction (store.go), then the Gate (what is taken away first,
// what is given after), then announcements, then the reply. A command that is
// refused or not saved changes nothing. Leaving and removing take the seat and
// cut media before they write, so they work while the database is away.
//
// Locks, in the order in which they may be taken: the turn of a participant
// (turns), the command lock of a room (conversation.cmd), its state lock
// (conversation.mu), the index of seats (index.mu), the caches (names.mu,
// follows.mu). No two rooms are locked at a time. Only the command lock is held
// while the database or the Gate works, so reads never wait for either.
package room
