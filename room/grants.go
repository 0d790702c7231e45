package room

import "besedka"

// Grant is what the media plane may carry for a participant, all of whom may listen.
type Grant struct {
	CSRC    uint32 // names the speaker in RTP; 0 for whoever was never on stage
	Publish bool   // may hold an up session: on stage
	Forward bool   // is heard: on stage, not silenced, not muted
}

// Gate is the media plane as the rules see it. When Revoke, Close or a Grant
// that gives less returns, nothing more is sent or forwarded. It is called
// under the room's lock and must not call back into the Service but by
// Connected and Disconnected.
type Gate interface {
	Grant(room besedka.RoomID, who besedka.ParticipantID, g Grant)
	Revoke(room besedka.RoomID, who besedka.ParticipantID)
	Close(room besedka.RoomID)
	// CloseOthers ends the participant's sessions that another credential made.
	CloseOthers(room besedka.RoomID, who besedka.ParticipantID, keep besedka.CredentialID)
}

// Announcer tells who is connected what is true only now, keeps facts back while
// media is cut, and closes event streams (outside all locks of rooms). It must
// not call back.
type Announcer interface {
	// Hold keeps the facts that are committed from now on in these topics from
	// everybody until release is called, which may be done twice. It is how media
	// is cut before anybody is told; it is called under the room's lock.
	Hold(topics []besedka.Topic) (release func())
	// Announce sends an event that is not kept; to nil is everybody in the room.
	Announce(room besedka.RoomID, kind string, data any, to []besedka.ParticipantID)
	// AnnounceLatest is Announce of an event of which, for each kind and key, only
	// the latest counts: some may be left out.
	AnnounceLatest(room besedka.RoomID, kind, key string, data any, to []besedka.ParticipantID)
	// HallwayChanged says that the list of rooms looks different to somebody.
	HallwayChanged()
	// CloseParticipant ends the participant's event streams of the room, after
	// the facts already committed.
	CloseParticipant(room besedka.RoomID, who besedka.ParticipantID)
	// CloseOthers does so but for the streams of one credential.
	CloseOthers(room besedka.RoomID, who besedka.ParticipantID, keep besedka.CredentialID)
}

// GrantOf derives the participant's grant; false means that they have none.
func (s *State) GrantOf(who besedka.ParticipantID) (Grant, bool) {
	seat, here := s.seats.get(who)
	if !here {
		return Grant{}, false
	}
	if !s.Role(who).OnStage() {
		return Grant{}, true
	}
	voice := s.voices.rows[who.Account()]
	return Grant{CSRC: voice.CSRC, Publish: true, Forward: voice.SilencedBy == "" && !seat.Muted}, true
}

// Grants derives every grant of the room.
func (s *State) Grants() map[besedka.ParticipantID]Grant {
	all := make(map[besedka.ParticipantID]Grant, len(s.seats.rows))
	for who := range s.seats.rows {
		all[who], _ = s.GrantOf(who)
	}
	return all
}

// less says whether g allows less than was allowed.
func (g Grant) less(was Grant) bool {
	return was.Publish && !g.Publish || was.Forward && !g.Forward
}
