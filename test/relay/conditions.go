package relay

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	maxDelayMS     = 60_000
	defaultQueueMS = 200
	defaultStallMS = 200 // the shortest retransmission timeout of Linux
)

// Conditions is what one direction does to its packets. The zero value passes
// everything on at once.
type Conditions struct {
	Loss          float64 `json:"loss,omitempty"`            // share of packets lost one by one, 0 to 1
	Burst         Burst   `json:"burst,omitzero"`            // and those lost in bursts
	DelayMS       float64 `json:"delay_ms,omitempty"`        // of every packet
	JitterMS      float64 `json:"jitter_ms,omitempty"`       // and from nothing up to this, evenly, on top
	Reorder       bool    `json:"reorder,omitempty"`         // jitter may let packets overtake one another (never in TCP)
	BitsPerSecond float64 `json:"bits_per_second,omitempty"` // of each client; 0: no limit. IP and UDP headers count
	QueueMS       float64 `json:"queue_ms,omitempty"`        // longest wait for the line before packets are dropped; 0: 200
	StallMS       float64 `json:"stall_ms,omitempty"`        // TCP: how long a lost piece takes to come again; 0: 200
	Blackhole     bool    `json:"blackhole,omitempty"`       // nothing passes; TCP: until it does again
}

// Burst is a Gilbert–Elliott channel: now and then it turns bad for some packets.
// (In its good state only Conditions.Loss loses packets.)
type Burst struct {
	Loss    float64 `json:"loss,omitempty"`    // share of all packets lost in bursts, in the long run
	Length  float64 `json:"length,omitempty"`  // mean length of a burst in packets, at least 1
	Density float64 `json:"density,omitempty"` // share lost within a burst; 0: all
}

// chances gives the probabilities of turning bad and good again with each packet,
// and of being lost while bad.
func (b Burst) chances() (enter, leave, density float64) {
	if b.Loss == 0 {
		return 0, 1, 0
	}
	density = b.Density
	if density == 0 {
		density = 1
	}
	bad := b.Loss / density // share of time in the bad state = enter / (enter + leave)
	leave = 1 / b.Length
	return leave * bad / (1 - bad), leave, density
}

// check reports what is impossible.
func (c Conditions) check() error {
	between := func(x, high float64) bool { return x >= 0 && x <= high } // false for NaN
	switch {
	case !between(c.Loss, 1):
		return errors.New("loss is not between 0 and 1")
	case !between(c.DelayMS, maxDelayMS), !between(c.JitterMS, maxDelayMS), !between(c.QueueMS, maxDelayMS), !between(c.StallMS, maxDelayMS):
		return errors.New("a time is not between 0 and 60000 ms")
	case c.BitsPerSecond != 0 && !(c.BitsPerSecond >= 1000 && c.BitsPerSecond <= 1e12):
		return errors.New("bits_per_second is neither 0 nor between 1000 and 1e12")
	case !between(c.Burst.Loss, 0.99), !between(c.Burst.Density, 1):
		return errors.New("burst loss or density is not between 0 and 1")
	case c.Burst.Loss > 0 && !(c.Burst.Length >= 1 && c.Burst.Length <= 1e6):
		return errors.New("burst length is less than 1 packet")
	case c.Burst.Density > 0 && c.Burst.Loss >= c.Burst.Density:
		return errors.New("burst loss is not below its density")
	}
	if enter, _, _ := c.Burst.chances(); enter > 1 {
		return errors.New("burst loss is too high for bursts so short")
	}
	return nil
}

// fate is what becomes of a packet.
type fate int

const (
	passes fate = iota
	lost
	blackholed
	overflowed
)

// line is one direction of one client. It knows nothing of clocks and sockets:
// what it decides follows from its dice, the conditions and the time given.
type line struct {
	dice *rand.Rand
	bad  bool      // the burst state
	free time.Time // when the throttled line has sent what it was given
	last time.Time // the latest arrival promised
}

func newLine(seed, client uint64, d Direction) *line {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[0:], seed)
	binary.LittleEndian.PutUint64(key[8:], client)
	binary.LittleEndian.PutUint64(key[16:], uint64(d))
	return &line{dice: rand.New(rand.NewChaCha8(key))}
}

// throw throws the dice for one packet: always four, whatever the conditions.
func (l *line) throw(c *Conditions) (isLost bool, jitter time.Duration) {
	single, turn, dense, late := l.dice.Float64(), l.dice.Float64(), l.dice.Float64(), l.dice.Float64()
	enter, leave, density := c.Burst.chances()
	if l.bad {
		l.bad = turn >= leave
	} else {
		l.bad = turn < enter
	}
	return single < c.Loss || l.bad && dense < density, milliseconds(late * c.JitterMS)
}

// datagram decides on a datagram of size bytes (with headers) that comes now.
func (l *line) datagram(c *Conditions, now time.Time, size int) (at time.Time, f fate) {
	isLost, jitter := l.throw(c)
	switch {
	case c.Blackhole:
		return now, blackholed
	case isLost:
		return now, lost
	}
	sent := now
	if c.BitsPerSecond > 0 {
		begin := latest(now, l.free)
		if begin.Sub(now) > milliseconds(orElse(c.QueueMS, defaultQueueMS)) {
			return now, overflowed
		}
		sent = begin.Add(transmission(c, size))
		l.free = sent
	}
	at = sent.Add(milliseconds(c.DelayMS) + jitter)
	if !c.Reorder {
		at = latest(at, l.last)
	}
	l.last = latest(at, l.last)
	return at, passes
}

// segment decides on a piece of a stream: nothing is lost there and nothing
// overtakes, but what a network would have lost comes late, with all behind it.
func (l *line) segment(c *Conditions, now time.Time, size int) (at time.Time, f fate) {
	isLost, jitter := l.throw(c)
	sent := now
	if c.BitsPerSecond > 0 {
		sent = latest(now, l.free).Add(transmission(c, size))
		l.free = sent
	}
	at = sent.Add(milliseconds(c.DelayMS) + jitter)
	if isLost {
		at, f = at.Add(milliseconds(orElse(c.StallMS, defaultStallMS))), lost
	}
	l.last = latest(at, l.last)
	return l.last, f
}

func transmission(c *Conditions, size int) time.Duration {
	return time.Duration(float64(size) * 8 / c.BitsPerSecond * float64(time.Second))
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

func orElse(x, otherwise float64) float64 {
	if x == 0 {
		return otherwise
	}
	return x
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
