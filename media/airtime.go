package media

import (
	"time"

	"besedka"
)

// Heard says for how long each contributing source of the room has been heard
// (see fanout.Floor.Airtime). It begins anew when the room was left by everybody.
func (s *Server) Heard(room besedka.RoomID) map[uint32]time.Duration {
	p := s.tables.place(room, nil)
	if p == nil {
		return nil
	}
	return p.floor.Airtime()
}
