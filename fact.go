package besedka

import (
	"encoding/json"
	"slices"
	"strings"
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
	To    []ParticipantID // only these may see it; nil means everyone who may read the topic; see Members and Except
	Data  json.RawMessage // an object, or nil
}

// Members stands first in Fact.To for everybody with an account who may read the
// topic: guests are left out, and so is whoever Except names after it.
const Members ParticipantID = "members"

// Except in Fact.To means that the participant must not see the fact. It follows
// Members or others like it; standing first, it means everyone who may read the
// topic, guests among them, but for those whom it names.
func Except(p ParticipantID) ParticipantID { return except + p }

const except = "!"

// maxExcept bounds whom one fact leaves out.
const maxExcept = 900

// MembersBut is Fact.To for Members without some accounts: at most the first 900
// of them are spared the fact, and what is read later must spare all.
func MembersBut(accounts []AccountID) []ParticipantID {
	to := []ParticipantID{Members}
	for _, a := range accounts[:min(len(accounts), maxExcept)] {
		to = append(to, Except(a.Participant()))
	}
	return to
}

// Lists says whether To lists everybody who may see the fact, one by one.
func (f *Fact) Lists() bool {
	return f.To != nil && (len(f.To) == 0 || f.To[0] != Members && !strings.HasPrefix(string(f.To[0]), except))
}

// VisibleTo says whether the participant may see the fact.
func (f *Fact) VisibleTo(p ParticipantID) bool {
	switch {
	case f.To == nil:
		return true
	case f.Lists():
		return slices.Contains(f.To, p)
	case f.To[0] == Members && p.IsGuest():
		return false
	}
	return !slices.Contains(f.To, Except(p))
}
