package room

import (
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"sync"

	"besedka"
)

// places remembers from which networks people came into a room, so that
// somebody who was removed does not come back as a guest from the same one.
// It is memory of this process, for as long as the room goes on, and holds
// hashes under a key of the room's own instead of addresses.
type places struct {
	key [32]byte

	mu     sync.Mutex
	of     map[besedka.ParticipantID][]place
	barred map[place]int // how many were removed who came from there
	out    map[besedka.ParticipantID][]place
}

type place [16]byte

const (
	placesEach   = 4      // the latest of one participant
	placesPeople = 20_000 // of whom a room remembers them
)

func newPlaces() *places {
	p := &places{of: map[besedka.ParticipantID][]place{}, barred: map[place]int{}, out: map[besedka.ParticipantID][]place{}}
	_, _ = rand.Read(p.key[:]) // it never fails
	return p
}

func (p *places) hash(network string) place {
	sum := sha256.Sum256(append(p.key[:], network...))
	return place(sum[:16])
}

// note remembers where somebody comes in from; "" is not known.
func (p *places) note(who besedka.ParticipantID, network string) {
	if network == "" {
		return
	}
	here := p.hash(network)
	p.mu.Lock()
	defer p.mu.Unlock()
	known, before := p.of[who]
	if slices.Contains(known, here) || !before && len(p.of) >= placesPeople {
		return
	}
	if len(known) >= placesEach {
		known = known[1:]
	}
	p.of[who] = append(slices.Clone(known), here)
}

// bar closes the places of somebody who was removed to guests.
func (p *places) bar(who besedka.ParticipantID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, done := p.out[who]; done || len(p.of[who]) == 0 {
		return
	}
	p.out[who] = p.of[who]
	for _, here := range p.out[who] {
		p.barred[here]++
	}
}

// lift opens them again, as far as nobody else was removed who came from there.
func (p *places) lift(who besedka.ParticipantID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, here := range p.out[who] {
		if p.barred[here]--; p.barred[here] == 0 {
			delete(p.barred, here)
		}
	}
	delete(p.out, who)
}

// bars says whether guests from there are refused.
func (p *places) bars(network string) bool {
	if network == "" {
		return false
	}
	here := p.hash(network)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.barred[here] > 0
}
