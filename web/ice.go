package web

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"besedka"
	"besedka/room"
	"besedka/turn"
)

// Relay gives people whose network lets no media through credentials for TURN.
// *turn.Server is one.
type Relay interface {
	// Credentials gives a participant credentials for his seat in the room;
	// besedka.ErrNotFound without a seat.
	Credentials(besedka.RoomID, besedka.ParticipantID, besedka.CredentialID) (turn.Credentials, error)
	// Grant gives a participant a seat in a room that only media and relay know;
	// EndRoom takes all seats of one away.
	Grant(besedka.RoomID, besedka.ParticipantID)
	EndRoom(besedka.RoomID)
	// Stats counts.
	Stats() turn.Stats
}

// iceServer is an RTCIceServer of the browsers.
type iceServer struct {
	URLs       []string `json:"urls" doc:"turn: and turns: URLs (RFC 7065)."`
	Username   string   `json:"username"`
	Credential string   `json:"credential"`
}

type iceServers struct {
	Servers   []iceServer `json:"ice_servers" doc:"Empty where there is no relay. UDP and TCP need none: they are in the answer."`
	ExpiresAt time.Time   `json:"expires_at" doc:"Until when a new connection may be made with them; one that is made may go on."`
}

// iceServers are for who has a seat in the room, on the device that holds it.
func (s *Server) iceServers(ctx context.Context, in *roomInput) (*out[iceServers], error) {
	c := callerOf(ctx)
	if err := s.Rooms.See(ctx, in.Room, c.actor()); err != nil {
		return nil, err
	}
	if held, with, seated := s.Rooms.SeatOf(c.Participant()); !seated || held != in.Room || with != c.Credential {
		return nil, room.ErrNotInRoom
	}
	return reply(s.relayFor(in.Room, c), nil)
}

// relayFor gives the servers to somebody with a seat; none where there is no relay.
func (s *Server) relayFor(id besedka.RoomID, c *caller) iceServers {
	none := iceServers{Servers: []iceServer{}, ExpiresAt: s.Now().Add(turn.CredentialLife).UTC().Truncate(time.Second)}
	if s.Relay == nil {
		return none
	}
	with, err := s.Relay.Credentials(id, c.Participant(), c.Credential)
	if err != nil { // the seat has gone meanwhile
		return none
	}
	return iceServers{ExpiresAt: with.Expires.UTC(), Servers: []iceServer{{URLs: s.RelayURLs, Username: with.Username, Credential: with.Password}}}
}

// linkRelay tells players about the relay (RFC 9725 section 4.6): those who have
// a seat, hence nobody who has not said who he is.
func (s *Server) linkRelay(h http.Header, id besedka.RoomID, c *caller) {
	if c == nil {
		return
	}
	for _, server := range s.relayFor(id, c).Servers {
		for _, u := range server.URLs {
			h.Add("Link", fmt.Sprintf(`<%s>; rel="ice-server"; username="%s"; credential="%s"; credential-type="password"`, u, server.Username, server.Credential))
		}
	}
}
