package live

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"besedka"
)

// Kinds of events that the hub itself makes or acts upon.
const (
	kindHello               = "hello"                // first on every stream
	kindReset               = "reset"                // facts are missing: fetch the state anew
	kindServerStopping      = "server_stopping"      // last on every stream of a server that ends in order
	kindHallwayChanged      = "hallway_changed"      // the list of open rooms is another
	kindParticipantsChanged = "participants_changed" // announced by rooms; coalesced here
	kindRoomEnded           = "room_ended"           // last fact of a room's topic
	kindRemovedFromRoom     = "removed_from_room"    // fact of an account's topic that ends the stream of that room
)

// redacting are the facts after which what an earlier one said is no longer in
// the outbox.
var redacting = map[string]bool{"message_deleted": true, "question_state": true}

// Event is one message of an event stream.
type Event struct {
	// ID is the cursor after this event, to be handed back as Last-Event-ID.
	// It is "" for what is told once and never repeated.
	ID string
	// Data is a JSON object on one line. Streams share it: do not change it.
	Data []byte
}

// timeText is RFC 3339 in UTC with milliseconds, as everywhere in the API.
const timeText = "2006-01-02T15:04:05.000Z07:00"

// body is the JSON of an event.
type body struct {
	Kind  string          `json:"kind"`
	Topic string          `json:"topic"` // "room" or "account"
	Room  besedka.RoomID  `json:"room,omitempty"`
	Seq   int64           `json:"seq,omitempty"`
	At    string          `json:"at"`
	Data  json.RawMessage `json:"data"`
}

const (
	topicRoom    = "room"
	topicAccount = "account"
)

var emptyObject = json.RawMessage("{}")

// encode writes the JSON of an event on one line: Marshal compacts data, and
// inside JSON strings line ends are always escaped.
func encode(kind string, room besedka.RoomID, seq int64, at time.Time, data json.RawMessage) ([]byte, error) {
	b := body{Kind: kind, Topic: topicAccount, Room: room, Seq: seq, At: at.UTC().Format(timeText), Data: data}
	if room != "" {
		b.Topic = topicRoom
	}
	if len(data) == 0 {
		b.Data = emptyObject
	}
	text, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("encode event %s: %w", kind, err)
	}
	return text, nil
}

// entry is a fact as streams share it: encoded once, however many listen.
type entry struct {
	telling
	seq  int64
	ends besedka.RoomID // streams of this room end after it; "" for most

	redacts bool // facts before it say less than they did
}

// recipients are those whom something is for, so that thousands of streams may ask.
type recipients struct {
	fact  besedka.Fact                       // only To is used
	among map[besedka.ParticipantID]struct{} // nil when they are not listed one by one
}

func newRecipients(to []besedka.ParticipantID) recipients {
	r := recipients{fact: besedka.Fact{To: to}}
	if r.fact.Lists() {
		r.among = make(map[besedka.ParticipantID]struct{}, len(to))
		for _, who := range to {
			r.among[who] = struct{}{}
		}
	}
	return r
}

func (r *recipients) have(p besedka.ParticipantID) bool {
	if r.among == nil {
		return r.fact.VisibleTo(p)
	}
	_, there := r.among[p]
	return there
}

// newEntry encodes a fact of a feed.
func newEntry(f *besedka.Fact, room besedka.RoomID) (*entry, error) {
	data, err := encode(f.Kind, room, f.Seq, f.At, f.Data)
	if err != nil {
		return nil, fmt.Errorf("fact %d of %s: %w", f.Seq, f.Topic, err)
	}
	e := &entry{telling: telling{to: newRecipients(f.To), data: data}, seq: f.Seq, redacts: redacting[f.Kind]}
	if room != "" {
		e.named = named(f.Data)
	}
	switch {
	case room != "" && f.Kind == kindRoomEnded:
		e.ends = room
	case room == "" && f.Kind == kindRemovedFromRoom:
		var d struct {
			Room besedka.RoomID `json:"room"`
		}
		if json.Unmarshal(f.Data, &d) == nil {
			e.ends = d.Room
		}
	}
	return e, nil
}

// roomOf gives the room of a room's topic, or "".
func roomOf(t besedka.Topic) besedka.RoomID {
	room, ok := strings.CutPrefix(string(t), string(besedka.RoomTopic("")))
	if !ok {
		return ""
	}
	return besedka.RoomID(room)
}
