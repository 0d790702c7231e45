package live

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"besedka"
)

// Veil says whom some readers of a room are not shown, of the people named in one
// of its events: nil for nobody at all, as nearly always, else whom for each
// reader. It is asked once for an event, outside all locks, and when an event of
// the past is read again; what it returns is asked under locks and must not wait.
type Veil func(ctx context.Context, room besedka.RoomID, named []besedka.AccountID) (unseen func(reader besedka.ParticipantID) []besedka.AccountID)

// telling is an event as streams share it: encoded once, and once more for all
// from whom the same people are hidden.
type telling struct {
	to     recipients
	data   []byte
	named  []besedka.AccountID // in data, if it is of a room
	unseen func(reader besedka.ParticipantID) []besedka.AccountID

	veiled map[string][]byte // what some are told instead, by whom they are not shown; guarded by feed.mu
}

// hides asks the veil.
func (f *feed) hides(ctx context.Context, t *telling) func(reader besedka.ParticipantID) []besedka.AccountID {
	if f.veil == nil || f.room == "" || len(t.named) == 0 {
		return nil
	}
	return f.veil(ctx, f.room, t.named)
}

// seenBy is what a reader is told, nil for nothing. The feed's lock must be held.
func (t *telling) seenBy(reader besedka.ParticipantID) []byte {
	if t.unseen == nil {
		return t.data
	}
	unseen := t.unseen(reader)
	if len(unseen) == 0 {
		return t.data
	}
	slices.Sort(unseen)
	key := ""
	for _, account := range unseen {
		key += string(account) + " "
	}
	data, known := t.veiled[key]
	if !known {
		data = without(t.data, unseen)
		if t.veiled == nil {
			t.veiled = map[string][]byte{}
		}
		t.veiled[key] = data
	}
	return data
}

// Where the data of an event names somebody, by id or as a person with one. What
// people have written is not among it: who gets that, its owners say.
var (
	namesOne  = map[string]bool{"account": true, "by": true, "host": true}
	namesMany = map[string]bool{"hosts": true}
	subjects  = map[string]bool{"account": true, "items": true} // without it there is nothing to tell
)

// named lists the accounts that the data of an event names.
func named(data []byte) (list []besedka.AccountID) {
	if object := decode(data); object != nil {
		walk("", object, func(account besedka.AccountID) bool {
			if !slices.Contains(list, account) {
				list = append(list, account)
			}
			return true
		})
	}
	return list
}

// without is the text of an event that names none of the accounts; nil when it is
// about one of them.
func without(text []byte, accounts []besedka.AccountID) []byte {
	if len(accounts) == 0 {
		return text
	}
	var b body
	if json.Unmarshal(text, &b) != nil {
		return nil
	}
	object := decode(b.Data)
	if object == nil || !walk("", object, func(account besedka.AccountID) bool { return !slices.Contains(accounts, account) }) {
		return nil
	}
	var err error
	if b.Data, err = json.Marshal(object); err != nil {
		return nil
	}
	if text, err = json.Marshal(b); err != nil {
		return nil
	}
	return text
}

func decode(data []byte) map[string]any {
	var object map[string]any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if d.Decode(&object) != nil {
		return nil
	}
	return object
}

// walk asks for everybody who is named in a value that stands under key whether
// they stay, takes out those who do not, and says whether the value stays.
func walk(key string, value any, stays func(besedka.AccountID) bool) bool {
	one := func(id any) bool {
		text, _ := id.(string)
		account := besedka.ParticipantID(text).Account()
		return account == "" || stays(account)
	}
	switch value := value.(type) {
	case string:
		return !namesOne[key] && !namesMany[key] || one(value)
	case map[string]any:
		if (namesOne[key] || namesMany[key]) && !one(value["id"]) {
			return false
		}
		return walkObject(value, stays)
	}
	return true
}

func walkObject(object map[string]any, stays func(besedka.AccountID) bool) bool {
	for key, value := range object {
		left := walk(key, value, stays)
		if list, ok := value.([]any); ok {
			some := len(list) > 0
			list = slices.DeleteFunc(list, func(one any) bool { return !walk(key, one, stays) })
			object[key], left = list, !some || len(list) > 0 || !subjects[key]
		}
		if !left && subjects[key] {
			return false
		}
		if !left {
			delete(object, key)
		}
	}
	return true
}
