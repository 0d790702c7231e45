package media

import (
	"context"
	"errors"
	"net/netip"

	"besedka"
)

// Server is one media endpoint. Its methods may be called from any goroutine.
type Server struct{ cfg Config }

// Listen opens the sockets and starts the server.
func Listen(cfg Config) (*Server, error) { return &Server{cfg: cfg}, nil }

// Close ends every session and waits for the server's goroutines.
func (s *Server) Close() error { return nil }

// Addr is the address the server listens on, with the port it really has.
func (s *Server) Addr() netip.AddrPort { return s.cfg.Listen }

// Grant gives or changes what a participant may do in a room.
func (s *Server) Grant(room besedka.RoomID, who besedka.ParticipantID, g Grant) {}

// Revoke takes the grant away and ends the participant's sessions in the room.
func (s *Server) Revoke(room besedka.RoomID, who besedka.ParticipantID) {}

// EndRoom revokes every grant of the room.
func (s *Server) EndRoom(room besedka.RoomID) {}

// CloseCredential ends every session made with the credential.
func (s *Server) CloseCredential(cred besedka.CredentialID) {}

// CloseOthers ends the participant's sessions in the room that were made with another credential.
func (s *Server) CloseOthers(room besedka.RoomID, who besedka.ParticipantID, keep besedka.CredentialID) {
}

// Answer answers an SDP offer with a new session.
func (s *Server) Answer(ctx context.Context, dir Direction, room besedka.RoomID, who besedka.ParticipantID,
	cred besedka.CredentialID, offer []byte) (Session, error) {
	return Session{}, ErrBusy.Because(errors.New("not listening"))
}

// CloseSession ends a session; besedka.ErrNotFound if it is not that participant's.
func (s *Server) CloseSession(id SessionID, room besedka.RoomID, who besedka.ParticipantID) error {
	return besedka.ErrNotFound
}

// Trickle takes an ICE fragment for a session; besedka.ErrNotFound if it is not that participant's.
func (s *Server) Trickle(id SessionID, room besedka.RoomID, who besedka.ParticipantID, frag []byte) error {
	return besedka.ErrNotFound
}

// Stats counts what the server has done since it started.
type Stats struct{ Sessions int64 }

// Stats is a snapshot of the counters.
func (s *Server) Stats() Stats { return Stats{} }
