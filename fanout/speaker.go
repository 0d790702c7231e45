package fanout

import "time"

const (
	// loudFloor is the level in −dBov down to which a packet counts as sound.
	loudFloor = 60
	// mediumLevel stands for the level of those who send none.
	mediumLevel = 40
	// Budget of a speaker: 100 packets a second is 10 ms framing; half as much
	// again for retransmissions and clocks that run fast.
	packetsPerSecond = 150
	packetBurst      = 75
)

// Speaker is somebody on a floor who may be heard. Its methods may be called
// from any goroutine.
type Speaker struct {
	floor   *Floor
	csrc    uint32
	forward bool
	gone    bool

	loudness float64   // 127 − level, smoothed
	soundAt  time.Time // last packet with sound
	heardAt  time.Time // last packet
	budget   Bucket
	news     news
	aired    *time.Duration // of his number
}

// Bucket is a token bucket, full at first. Not for concurrent use.
type Bucket struct {
	tokens float64
	at     time.Time
}

// Take says whether one more fits at a rate per second with a burst.
func (b *Bucket) Take(now time.Time, rate, burst float64) bool {
	if b.at.IsZero() {
		b.tokens = burst
	} else if d := now.Sub(b.at); d > 0 {
		b.tokens = min(burst, b.tokens+rate*d.Seconds())
	}
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// said is how many timestamps of a speaker are remembered: more than there are frames of 10 ms in what
// RED can repeat (maxREDOffset).
const said = 40

// news are timestamps of a speaker's packets, of which RED brings each several times.
type news struct {
	known [said]uint32
	at    int
	n     int
}

// add notes a timestamp and says whether it is new.
func (x *news) add(timestamp uint32) bool {
	for _, t := range x.known[:x.n] {
		if t == timestamp {
			return false
		}
	}
	x.known[x.at] = timestamp
	x.at, x.n = (x.at+1)%said, min(x.n+1, said)
	return true
}

// Forward takes a packet from the speaker's up session: authentic and not a
// replay. It returns when every listener's copy lies in the outbox of the reader
// who has read the packet; without one, has been handed to the system.
func (sp *Speaker) Forward(now time.Time, p Packet, out *Outbox) {
	f := sp.floor
	if out == nil {
		f.mu.Lock()
	} else if !f.mu.TryLock() { // other rooms' packets do not wait for this one
		out.flush()
		f.mu.Lock()
	}
	defer f.mu.Unlock()
	f.counters.Received.Add(1)
	switch {
	case sp.gone || !sp.forward:
		f.counters.DropMuted.Add(1)
	case !sp.budget.Take(now, packetsPerSecond, packetBurst):
		f.counters.DropRate.Add(1)
	case len(p.Payload) == 0:
		f.counters.DropPadding.Add(1)
	case len(p.Payload) > MaxPayload:
		f.counters.DropSize.Add(1)
	default:
		sp.forwardLocked(now, &p, out)
	}
}

// forwardLocked forwards what is Opus, and counts how long he is heard.
func (sp *Speaker) forwardLocked(now time.Time, p *Packet, out *Outbox) {
	samples, err := OpusSamples(p.Payload)
	if err != nil {
		sp.floor.counters.DropMalformed.Add(1)
		return
	}
	p.csrc = sp.csrc
	sp.newsLocked(now, p)
	sound := sp.listen(now, p)
	if sp.floor.forwardLocked(sp, p, now, out) && sound {
		*sp.aired += duration(samples)
	}
}

// newsLocked leaves in a packet of what it repeats only what has not come, and takes that from the
// budget like packets of its own: a packet may bring fifteen others, and each of them
// goes out to every listener.
func (sp *Speaker) newsLocked(now time.Time, p *Packet) {
	sp.news.add(p.Timestamp)
	kept := p.Earlier[:0]
	for _, r := range p.Earlier {
		if !sp.news.add(r.Timestamp) {
			continue
		}
		if !sp.budget.Take(now, packetsPerSecond, packetBurst) {
			sp.floor.counters.DropRate.Add(1)
			continue
		}
		kept = append(kept, r)
	}
	p.Earlier = kept
}

// SetForward opens or shuts the speaker's mouth. After SetForward(false) has
// returned none of his packets is sent.
func (sp *Speaker) SetForward(now time.Time, forward bool) {
	sp.floor.mu.Lock()
	defer sp.floor.mu.Unlock()
	if sp.forward && !forward {
		sp.floor.silenceLocked(sp, now)
	}
	sp.forward = forward
}

// SetCSRC changes the speaker's number; what he said under the old one is not sent any more.
func (sp *Speaker) SetCSRC(now time.Time, csrc uint32) {
	sp.floor.mu.Lock()
	defer sp.floor.mu.Unlock()
	if sp.csrc != csrc {
		sp.floor.silenceLocked(sp, now)
		sp.csrc, sp.aired = csrc, sp.floor.airtimeOf(csrc)
	}
}

// Close takes the speaker off the floor. After it has returned none of his packets is sent.
func (sp *Speaker) Close(now time.Time) {
	f := sp.floor
	f.mu.Lock()
	defer f.mu.Unlock()
	if !sp.gone {
		sp.gone = true
		f.silenceLocked(sp, now)
	}
}

// listen follows how loud the speaker is: quickly up, slowly down. It says
// whether the packet is sound.
func (sp *Speaker) listen(now time.Time, p *Packet) (sound bool) {
	level := p.Level
	if level == NoLevel {
		level = mediumLevel
	}
	if isDTX(p.Payload) {
		level = 127
	}
	if level <= loudFloor {
		sp.soundAt = now
	}
	sp.heardAt = now
	x := float64(127 - level)
	if x > sp.loudness {
		sp.loudness += (x - sp.loudness) / 3
	} else {
		sp.loudness += (x - sp.loudness) / 16
	}
	return level <= loudFloor
}
