package turn

import (
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // RFC 8489 section 9.2.2 wants it
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"io"
	"time"

	"besedka"
)

// CredentialLife is how long a username may open allocations. An allocation that
// was made with it can be refreshed for as long as the seat is kept.
const CredentialLife = 10 * time.Minute

// Realm is the realm of the server (RFC 8489 section 9.2).
const Realm = "besedka"

const (
	usernameLen = 24 // bytes: when it expires, the seat, what was signed in with
	maxDead     = 1 << 16
)

// tag stands for a credential in a username without naming it.
type tag [8]byte

// seat is a participant of a room as this server knows him. Somebody who leaves
// and comes back has another one.
type seat struct {
	room   besedka.RoomID
	who    besedka.ParticipantID
	number uint64
	only   tag // set: the one credential that the seat is held with
	open   map[*allocation]struct{}
}

// Credentials let a client make allocations until Expires.
type Credentials struct {
	Username string
	Password string
	Expires  time.Time
}

// pass is what a username says.
type pass struct {
	seat    *seat
	tag     tag
	expires time.Time
}

// Grant gives a participant of a room a seat, if he has none.
func (s *Server) Grant(room besedka.RoomID, who besedka.ParticipantID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seats := s.rooms[room]
	if seats == nil {
		seats = make(map[besedka.ParticipantID]*seat)
		s.rooms[room] = seats
	}
	if seats[who] != nil {
		return
	}
	x := &seat{room: room, who: who, number: s.drawNumberLocked()}
	seats[who], s.numbers[x.number] = x, x
}

func (s *Server) drawNumberLocked() uint64 {
	for {
		var b [8]byte
		if _, err := io.ReadFull(s.cfg.Random, b[:]); err != nil {
			panic("no randomness: " + err.Error())
		}
		if n := binary.BigEndian.Uint64(b[:]); s.numbers[n] == nil {
			return n
		}
	}
}

// Revoke takes the seat away. When it returns the participant's allocations for
// the room are closed and his credentials for it open no other.
func (s *Server) Revoke(room besedka.RoomID, who besedka.ParticipantID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.rooms[room][who]; x != nil {
		s.vacateLocked(x)
	}
}

// EndRoom takes every seat of the room away.
func (s *Server) EndRoom(room besedka.RoomID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.rooms[room] {
		s.vacateLocked(x)
	}
}

func (s *Server) vacateLocked(x *seat) {
	delete(s.numbers, x.number)
	delete(s.rooms[x.room], x.who)
	if len(s.rooms[x.room]) == 0 {
		delete(s.rooms, x.room)
	}
	s.cutLocked(x, func(*allocation) bool { return true })
}

// cutLocked closes those allocations of the seat.
func (s *Server) cutLocked(x *seat, which func(*allocation) bool) {
	for a := range x.open {
		if which(a) {
			a.conn.close()
		}
	}
}

// CloseCredential closes every allocation made with what somebody had signed in
// with, in all rooms, and lets none be made with it any more.
func (s *Server) CloseCredential(credential besedka.CredentialID) {
	t, now := s.tagOf(credential), s.cfg.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for old, at := range s.dead {
		if now.Sub(at) > deadFor || len(s.dead) >= maxDead {
			delete(s.dead, old)
		}
	}
	s.dead[t] = now
	for _, x := range s.numbers {
		s.cutLocked(x, func(a *allocation) bool { return a.tag == t })
	}
}

// CloseOthers closes the participant's allocations for the room that were made
// with another credential than keep, and lets none be made with another.
func (s *Server) CloseOthers(room besedka.RoomID, who besedka.ParticipantID, keep besedka.CredentialID) {
	t := s.tagOf(keep)
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.rooms[room][who]; x != nil {
		x.only = t
		s.cutLocked(x, func(a *allocation) bool { return a.tag != t })
	}
}

// Credentials gives the participant a username and a password for his seat in
// the room, bound to what he is signed in with. It returns besedka.ErrNotFound
// for who has no seat.
func (s *Server) Credentials(room besedka.RoomID, who besedka.ParticipantID, credential besedka.CredentialID) (Credentials, error) {
	t := s.tagOf(credential)
	expires := s.cfg.Now().Add(CredentialLife).Truncate(time.Second)
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.rooms[room][who]
	if x == nil || !s.validLocked(x, t) {
		return Credentials{}, besedka.ErrNotFound
	}
	var b [usernameLen]byte
	binary.BigEndian.PutUint64(b[:], uint64(expires.Unix()))
	binary.BigEndian.PutUint64(b[8:], x.number)
	copy(b[16:], t[:])
	username := base64.RawURLEncoding.EncodeToString(b[:])
	return Credentials{Username: username, Password: s.password(username, x), Expires: expires}, nil
}

// validLocked says whether what somebody signed in with still holds the seat.
func (s *Server) validLocked(x *seat, t tag) bool {
	_, dead := s.dead[t]
	return !dead && s.numbers[x.number] == x && (x.only == tag{} || x.only == t)
}

// tagOf is keyed, so that a username does not tell what somebody signed in with.
func (s *Server) tagOf(credential besedka.CredentialID) (t tag) {
	copy(t[:], s.sign("credential", string(credential)))
	return t
}

// password binds the username, which holds expiry, seat and credential, to room and participant.
func (s *Server) password(username string, x *seat) string {
	return base64.RawURLEncoding.EncodeToString(s.sign("password", username, string(x.room), string(x.who)))
}

// sign is an HMAC of texts that hold no zero byte.
func (s *Server) sign(parts ...string) []byte {
	h := hmac.New(sha256.New, s.secret[:])
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return h.Sum(nil)
}

// lookUp finds the seat that a username names and the key of its password
// (RFC 8489 section 9.2.2); ok is false for a seat or a credential that is no more.
func (s *Server) lookUp(username string) (p pass, key []byte, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(username)
	if err != nil || len(b) != usernameLen {
		return pass{}, nil, false
	}
	copy(p.tag[:], b[16:])
	p.expires = time.Unix(int64(binary.BigEndian.Uint64(b)), 0)
	s.mu.Lock()
	p.seat = s.numbers[binary.BigEndian.Uint64(b[8:])]
	ok = p.seat != nil && s.validLocked(p.seat, p.tag)
	s.mu.Unlock()
	if !ok {
		return pass{}, nil, false
	}
	sum := md5.Sum([]byte(username + ":" + Realm + ":" + s.password(username, p.seat))) //nolint:gosec // as above
	return p, sum[:], true
}
