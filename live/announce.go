package live

import (
	"context"
	"encoding/json"

	"besedka"
)

// Announce tells the streams of a room at once something that is true only for the
// moment and is not repeated to who comes back. With to only these see it.
func (h *Hub) Announce(room besedka.RoomID, kind string, data any, to []besedka.ParticipantID) {
	if f, what := h.announcement(room, kind, data, to); f != nil {
		f.announce(what)
	}
}

// AnnounceLatest is Announce of something of which only the latest counts, told no
// more often than calm.go says. What differs in kind or key is told apart.
func (h *Hub) AnnounceLatest(room besedka.RoomID, kind, key string, data any, to []besedka.ParticipantID) {
	f, what := h.announcement(room, kind, data, to)
	if f != nil && f.announceLatest(subject{kind, key}, what, h.now()) {
		h.wait(f)
	}
}

// announcement encodes what is to be told, if there is anybody to tell it to.
func (h *Hub) announcement(room besedka.RoomID, kind string, data any, to []besedka.ParticipantID) (*feed, *telling) {
	h.mu.Lock()
	f := h.feeds[besedka.RoomTopic(room)]
	h.mu.Unlock()
	if f == nil {
		return nil, nil
	}
	object, err := json.Marshal(data)
	if err != nil {
		h.log.Error("announcement cannot be encoded", "kind", kind, "error", err)
		return nil, nil
	}
	if string(object) == "null" {
		object = nil
	}
	text, err := encode(kind, room, 0, h.now(), object)
	if err != nil {
		h.log.Error("announcement cannot be encoded", "kind", kind, "error", err)
		return nil, nil
	}
	what := &telling{data: text, to: newRecipients(to), named: named(object)}
	what.unseen = f.hides(context.Background(), what)
	return f, what
}

// wait has the feed looked at again at the next tick.
func (h *Hub) wait(f *feed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f.refs > 0 {
		h.waiting[f] = struct{}{}
	}
}

// HallwayChanged tells everyone with an account that the list of open rooms is
// another, at most once a second, less often when they are many, and within which
// time to ask for the new one.
func (h *Hub) HallwayChanged() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hallway.what = &telling{}
	h.flushHallwayLocked()
}

func (h *Hub) flushHallwayLocked() {
	now := h.now()
	if h.hallway.what == nil || now.Before(h.hallway.next) {
		return
	}
	h.hallway = coalesced{next: now.Add(hallwayEvery(len(h.streams)))}
	text := h.encodeOwn(kindHallwayChanged, "", refetchData(len(h.streams)))
	for s := range h.streams {
		if !s.sub.Participant.IsGuest() {
			s.push(item{data: text})
		}
	}
}

// tick tells what has waited for its turn.
func (h *Hub) tick() {
	h.mu.Lock()
	h.flushHallwayLocked()
	feeds := make([]*feed, 0, len(h.waiting))
	for f := range h.waiting {
		feeds = append(feeds, f)
	}
	clear(h.waiting)
	h.mu.Unlock()
	now := h.now()
	for _, f := range feeds {
		if f.flushLatest(now) {
			h.wait(f)
		}
	}
}

// CloseCredential ends the streams that were opened with a credential. When it
// returns nothing more is queued for them; they end after what was committed before.
func (h *Hub) CloseCredential(c besedka.CredentialID) {
	h.mu.Lock()
	var streams []*Stream
	for s := range h.byCred[c] {
		streams = append(streams, s)
	}
	h.mu.Unlock()
	h.closeAll(streams)
}

// CloseParticipant ends a participant's streams of a room, as CloseCredential does.
func (h *Hub) CloseParticipant(room besedka.RoomID, who besedka.ParticipantID) {
	h.closeAll(h.ofParticipant(room, who, func(besedka.CredentialID) bool { return false }))
}

// CloseOthers ends a participant's streams of a room but those of one credential, as CloseCredential does.
func (h *Hub) CloseOthers(room besedka.RoomID, who besedka.ParticipantID, keep besedka.CredentialID) {
	h.closeAll(h.ofParticipant(room, who, func(c besedka.CredentialID) bool { return c == keep }))
}

func (h *Hub) ofParticipant(room besedka.RoomID, who besedka.ParticipantID, keep func(besedka.CredentialID) bool) []*Stream {
	h.mu.Lock()
	f := h.feeds[besedka.RoomTopic(room)]
	h.mu.Unlock()
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var streams []*Stream
	for _, s := range f.streams[who] {
		if !keep(s.sub.Credential) {
			streams = append(streams, s)
		}
	}
	return streams
}

// closeAll reads the last facts of the streams' topics, so that they learn why, and ends them.
func (h *Hub) closeAll(streams []*Stream) {
	if len(streams) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	feeds := make(map[*feed]struct{})
	for _, s := range streams {
		for i := range s.lines {
			if f := s.lines[i].feed; f != nil {
				feeds[f] = struct{}{}
			}
		}
	}
	for f := range feeds {
		if err := f.catchUp(ctx); err != nil {
			h.log.Warn("event stream ends without its last facts", "topic", f.topic, "error", err)
		}
	}
	for _, s := range streams {
		s.finish(ErrClosed)
	}
}
