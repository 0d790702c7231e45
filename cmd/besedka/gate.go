package main

import (
	"besedka"
	"besedka/media"
	"besedka/room"
	"besedka/turn"
)

// gate is the media plane as rooms know it: packets, and the relay to them
// where there is one. What is taken away is taken from the packets first.
type gate struct {
	media *media.Server
	turn  *turn.Server // or nil
}

// Grant gives a participant what he may do with media.
func (g gate) Grant(r besedka.RoomID, who besedka.ParticipantID, may room.Grant) {
	g.media.Grant(r, who, media.Grant(may))
	if g.turn != nil {
		g.turn.Grant(r, who)
	}
}

// Revoke takes it away; nothing is sent or forwarded when it returns.
func (g gate) Revoke(r besedka.RoomID, who besedka.ParticipantID) {
	g.media.Revoke(r, who)
	if g.turn != nil {
		g.turn.Revoke(r, who)
	}
}

// Close revokes everything of a room.
func (g gate) Close(r besedka.RoomID) {
	g.media.EndRoom(r)
	if g.turn != nil {
		g.turn.EndRoom(r)
	}
}

// CloseOthers ends the participant's sessions that another credential made.
func (g gate) CloseOthers(r besedka.RoomID, who besedka.ParticipantID, keep besedka.CredentialID) {
	g.media.CloseOthers(r, who, keep)
	if g.turn != nil {
		g.turn.CloseOthers(r, who, keep)
	}
}
