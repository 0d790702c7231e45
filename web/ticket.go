package web

import (
	"io"
	"sync"
	"time"

	"besedka"
)

const (
	// ticketLife is how soon a player must come with its ticket, and may come again: players
	// look at the first bytes before they play.
	ticketLife = 20 * time.Second
	ticketUses = 4
	maxTickets = 20000
)

// ticket lets a player without a credential (an audio element cannot send one) read a room.
type ticket struct {
	id         string
	room       besedka.RoomID
	who        besedka.ParticipantID
	credential besedka.CredentialID
	until      time.Time
	uses       int
}

// tickets are those given out, one for a credential at most.
type tickets struct {
	mu   sync.Mutex
	all  map[string]*ticket
	mine map[besedka.CredentialID]string
}

func newTickets() *tickets {
	return &tickets{all: make(map[string]*ticket), mine: make(map[besedka.CredentialID]string)}
}

// issue gives out a ticket, or none when there are too many. The credential's earlier one is worth nothing any more.
func (t *tickets) issue(random io.Reader, now time.Time, room besedka.RoomID, c *caller) (*ticket, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dropLocked(t.all[t.mine[c.Credential]])
	if len(t.all) >= maxTickets {
		for _, old := range t.all {
			if now.After(old.until) {
				t.dropLocked(old)
			}
		}
	}
	if len(t.all) >= maxTickets {
		return nil, false
	}
	fresh := &ticket{id: besedka.NewID(random), room: room, who: c.Participant(), credential: c.Credential, until: now.Add(ticketLife)}
	t.all[fresh.id], t.mine[c.Credential] = fresh, fresh.id
	return fresh, true
}

// use finds a ticket for a room that may be used now, and counts it.
func (t *tickets) use(id string, room besedka.RoomID, now time.Time) (ticket, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	found := t.all[id]
	if found == nil || found.room != room {
		return ticket{}, false
	}
	if now.After(found.until) || found.uses == ticketUses {
		t.dropLocked(found)
		return ticket{}, false
	}
	found.uses++
	return *found, true
}

func (t *tickets) dropLocked(x *ticket) {
	if x != nil {
		delete(t.all, x.id)
		delete(t.mine, x.credential)
	}
}
