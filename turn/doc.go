// Package turn is a TURN server (RFC 8656) that leads to one place only: the
// media socket of this very instance. It is the way in for people whose network
// lets nothing through but the HTTPS port.
//
// A TURN server is by nature a proxy into the network it stands in. This one
// cannot be: the relay socket of an allocation is connected to the media socket,
// so that the system itself lets nothing else be sent to or received from, and
// every request that names another peer is refused with 403. There are UDP
// allocations only, made over TCP or TLS.
//
// Like media, it obeys grants: who is in a room has a seat here (Grant), may ask
// for short-lived credentials (Credentials) and loses everything with the seat
// (Revoke, EndRoom), with what they signed in with (CloseCredential), or to
// another device of theirs (CloseOthers): the allocation is closed at once, and
// no old username opens a new one. The secret behind the passwords is drawn at
// start and never stored.
//
// A connection costs a goroutine, an allocation one more and a UDP socket.
// Nothing grows with what a client sends: one permission and one channel an
// allocation, one frame in memory, budgets of bytes in both directions. Who is
// too slow loses packets in the relay socket's buffer: late sound is no sound.
//
// Locks: Server.mu guards seats, connections and counts; allocation.mu guards
// its permission and channel; conn.writing is held while a frame is written.
// None is taken while another is held, but conn.writing after nothing.
package turn
