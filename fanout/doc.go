// Package fanout is the packet path of a room: one speaker's Opus to any
// number of listeners.
//
// A Floor is a set of speakers and the listeners who hear them. (A room has
// one; an interpretation channel would be another.) Speakers hand their
// packets in as plain RTP. The loudest few occupy slots. The frames of a slot go out in
// several forms at a time: 20 to 120 ms in a packet, merged without decoding
// (Merger), with or without redundancy (RED). A packet of such a stream is made
// once and given a header once for each class of listeners, who share its
// plaintext: source, timestamp and payload belong to the room, and the CSRC names
// the speaker. Only encryption and a 32-bit base of the sequence number are a
// listener's own. What is sealed is gathered in a batch and leaves in one system call;
// what a reader of the port has read in one go shares its calls (Outbox), whatever the room.
//
//	Speaker.Forward → view.place (which slot) → slot.admit (timestamp)
//	    → Merger.Push (each form) → stream.keep (index, RED, cache)
//	    → class.header (once) → out.seal (each listener) → batch → sendmmsg
//
// Who gets which form is decided by Policy once a second. A listener moves from one
// form to another when no form of his view has a frame waiting to be merged:
// then all of them stand at the same moment of the sound. Frames that wait for
// others that do not come are sent by the Flusher.
//
// What a player with one stream hears can also be taken in the clear (Tap), for those who
// are reached otherwise than by RTP.
//
// Listeners who can play three streams share a view of three slots; those who
// offered one or two share a view of that many, chosen by the same rule, so
// that a player with one stream hears the dominant speaker. Somebody on stage
// never hears himself: in the view of three his record passes over the slot
// that carries him, and a player with fewer streams on stage gets a view of his
// own that leaves him out.
//
// The rules for the slow: a datagram that the kernel does not take is gone, as
// on any network; a stream path (Sink) refuses what does not fit into its
// bounded queue; retransmissions come from one cache per stream within a budget
// per listener. Nobody waits for anybody.
//
// No sequence number of a listener is ever used for two different packets,
// because AES-GCM must never seal twice under one nonce (RFC 7714 §8.4):
// indices of a stream only grow and have no gaps, what is sent again is the bytes
// that were kept (RED is not made anew), and a listener is served no index from
// before his own base last moved.
//
// Floor.mu guards everything of a floor: its speakers, views and listeners. It
// is held while a packet is sealed. What is still in an Outbox when a speaker or a
// listener leaves is sent before Close returns, so that nothing of his is under way
// after it; and what is sent past an Outbox empties it first, so that nothing overtakes.
// The lock of an Outbox is taken after Floor.mu, and a reader who would have
// to wait for a floor lets go before what he has for others.
package fanout
