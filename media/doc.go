// Package media is the transport of sound: WHIP and WHEP sessions over one UDP
// port and, for those whose network blocks UDP, ICE-TCP on the same port. The UDP
// port has a socket and a reader for each core. A peer's packets may come out of
// any of them, so a session is looked up without a lock that readers share.
//
// The package never asks who a person is. It is given a Grant for a
// participant of a room and loses it again: without a grant there is no
// session, and when Revoke returns not one further packet is sent to that
// participant or forwarded from him. Answer consults the grants under the same
// lock as Revoke, so that a join cannot race a removal.
//
// A session at rest is a record in a table: no goroutine and no timer. The
// peer's ICE checks are answered by a responder of our own (RFC 8445 lite),
// DTLS is spoken by pion/dtls for the handshake only, and SRTP is our own (see
// package fanout, which carries the packets). One sweep a second ends what has
// gone silent.
//
// Directions are named from the server: Up is to us (a speaker, WHIP), Down is
// from us (a listener, WHEP).
//
// Locks, in the order in which they are taken: place.mu (the grants and
// sessions of one room), session.mu, the lock of the room's fanout.Floor.
// Server.mu (tables), Server.eventMu and the queue of a TCP path are leaves:
// no other lock is taken while one of them is held.
package media
