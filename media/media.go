package media

import (
	"io"
	"log/slog"
	"net/netip"
	"time"

	"besedka"
	"besedka/fanout"
)

// Errors of this package. They are besedka.Error values: Code is stable.
var (
	// ErrNotInRoom: the participant has no grant for the room.
	ErrNotInRoom = besedka.NewError(besedka.Forbidden, "not_in_room")
	// ErrNotOnStage: the participant's grant does not allow an up session.
	ErrNotOnStage = besedka.NewError(besedka.Forbidden, "not_on_stage")
	// ErrSDP: the offer cannot be used; Cause says why.
	ErrSDP = besedka.NewError(besedka.Invalid, "sdp_invalid")
	// ErrBusy: the server carries as many as it can; RetryAfter says when to ask again.
	ErrBusy = besedka.NewError(besedka.Unavailable, "media_busy")
)

// SessionID names a session in its URL: 128 random bits. Knowing it is not
// enough to end the session (RFC 9725 §5).
type SessionID string

// Direction is seen from the server.
type Direction uint8

// The directions of a session.
const (
	Up   Direction = 1 // to us: a speaker (WHIP)
	Down Direction = 2 // from us: a listener (WHEP)
)

// String is "up" or "down".
func (d Direction) String() string {
	if d == Up {
		return "up"
	}
	return "down"
}

// Grant is what a participant of a room may do with media. Having one at all
// means that he may listen.
type Grant struct {
	// CSRC is the speaker's number in the room, carried in every packet of his.
	// Zero for those who have never been on stage.
	CSRC uint32
	// Publish: may hold an up session.
	Publish bool
	// Forward: the packets of his up session are forwarded; false while muted or silenced.
	Forward bool
}

// Event tells that a session has become live (DTLS is done) or is gone. Every
// session that Answer returned ends with exactly one event of Live false.
type Event struct {
	Room       besedka.RoomID
	Who        besedka.ParticipantID
	Credential besedka.CredentialID
	Session    SessionID
	Direction  Direction
	Live       bool
}

// Session is what Answer gives back to the HTTP layer.
type Session struct {
	ID  SessionID
	SDP []byte // the answer, application/sdp
}

// Config is what a Server needs. Listen is required.
type Config struct {
	// Listen is the address of the UDP socket and, with the same port, of
	// ICE-TCP. Port 0 picks a free one.
	Listen netip.AddrPort
	// Advertise are the addresses told to peers, for a host behind a one-to-one
	// NAT. Empty means Listen's own, or those of the host's interfaces when
	// Listen is unspecified.
	Advertise []netip.Addr
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// CPU is the processor time that this process has used so far. From it the server knows
	// when it is full (see Admits); nil means that it does not look.
	CPU func() time.Duration
	// Random is the source of secrets; nil means crypto/rand.
	Random io.Reader
	// Log takes what an operator should see; nil discards.
	Log *slog.Logger
	// OnSession is told what becomes of sessions: called without locks held, one
	// call at a time, in order. It may call the Server, except Close.
	OnSession func(Event)
	// MaxSessions bounds the sessions of the server; 0 means 20,000.
	MaxSessions int
	// Cores is how many cores the process may use; 0 means as many as Go uses.
	Cores int
	// Sockets is how many UDP sockets share the port; 0 means one for each core.
	Sockets int
	// Calm is told true when a crowd has joined and nobody has for a while, and false when
	// one comes, the first included: handshakes leave garbage, and in between is the time
	// to give the memory back. nil does nothing.
	Calm func(calm bool)
	// Framing says who is sent longer packets; its zero value is right for most.
	Framing fanout.Policy
}
