package besedka

import (
	"encoding/json"
	"slices"
	"time"
)

// Topic is an ordered line of facts: one for each room and one for each account.
type Topic string

// RoomTopic carries what happens in a room.
func RoomTopic(room RoomID) Topic { return Topic("room:" + string(room)) }

// AccountTopic carries what concerns one account wherever it is.
func AccountTopic(account AccountID) Topic { return Topic("account:" + string(account)) }

// Fact is something that has happened, told only after it was committed.
// Within a topic Seq counts 1, 2, 3, … without a gap, given under the lock
// that the topic's own row takes, so that no reader can skip one.
type Fact struct {
	Topic Topic
	Seq   int64
	Kind  string // past participle in snake_case: "hand_raised"
	At    time.Time
	To    []ParticipantID // only these may see it; nil means everyone who may read the topic; see Members
	Data  json.RawMessage // an object, or nil
}

// Members stands first in Fact.To for everybody with an account who may read the
// topic: guests are left out, and so is whoever Except names after it.
const Members ParticipantID = "members"

// Except follows Members in Fact.To: the participant must not see the fact.
func Except(p ParticipantID) ParticipantID { return "!" + p }

// VisibleTo says whether the participant may see the fact.
func (f *Fact) VisibleTo(p ParticipantID) bool {
	if f.To == nil {
		return true
	}
	if len(f.To) > 0 && f.To[0] == Members {
		return !p.IsGuest() && !slices.Contains(f.To[1:], Except(p))
	}
	return slices.Contains(f.To, p)
}
