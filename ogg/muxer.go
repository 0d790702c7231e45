package ogg

import (
	"slices"
	"time"
)

const (
	clockRate = 48000           // of Ogg Opus, always (RFC 7845 §4)
	step      = clockRate / 400 // 2.5 ms: gaps are filled in multiples of it (RFC 7845 §4.1)

	// PageTime is how much sound a page holds: more would be delay, less would be headers.
	PageTime  = 300 * time.Millisecond
	pageSpan  = clockRate * 300 / 1000
	firstData = 2 // the sequence number of the first page behind the headers

	// Patience is how late a packet may come.
	Patience = 120 * time.Millisecond
	patience = clockRate * 120 / 1000
	// settled is how far a speaker who begins may be from the clock without being moved.
	settled = clockRate * 40 / 1000
	// maxLead is how far what was added may be ahead of the clock: somebody whose packets
	// came in one heap is heard later, and not less.
	maxLead = 2 * clockRate
	// maxLag is how far the stream may be behind the clock.
	maxLag = 30 * clockRate
	// concealed is how long a gap is filled with what the decoder makes of the packet before.
	concealed = clockRate
)

// Packet is an Opus packet of whoever is heard.
type Packet struct {
	Timestamp uint32 // of its beginning, in samples, on a clock that all speakers share
	Samples   int
	Source    uint32
	Marker    bool // somebody begins to speak, or goes on after a silence
	Payload   []byte
}

// Page is a piece of the stream.
type Page struct {
	Bytes    []byte // good for ever; nobody may change them
	From, To int64  // in samples since the stream began

	sequence uint32
	sources  []uint32
}

// Carries says whether something of a speaker is in the page.
func (p *Page) Carries(source uint32) bool { return slices.Contains(p.sources, source) }

// Muxer makes the stream. It belongs to one goroutine at a time.
type Muxer struct {
	serial   uint32
	sequence uint32
	begin    time.Time

	next    int64     // the end of what is in pages
	waiting []waiting // behind it, in order, none over another

	mapped    bool   // a packet's place follows from …
	timestamp uint32 // … this one …
	place     int64  // … which stands here: the newest

	toc    byte   // of the last packet in a page that was more than silence …
	source uint32 // … and whose it was
	idle   int64  // filled since; beyond concealed nothing is made of it
	bodies [][]byte
}

type waiting struct {
	place   int64
	samples int64
	source  uint32
	payload []byte
}

func (w *waiting) end() int64 { return w.place + w.samples }

// NewMuxer begins a stream whose position 0 is at begin: what lies before the first packet is silence.
func NewMuxer(serial uint32, begin time.Time) *Muxer {
	return &Muxer{serial: serial, sequence: firstData, begin: begin, idle: concealed}
}

// Headers are what everybody must be given first, whenever he comes.
func (m *Muxer) Headers() []byte { return appendHeaders(nil, m.serial) }

// position is where the clock stands at a moment.
func (m *Muxer) position(now time.Time) int64 {
	at := now.Sub(m.begin).Microseconds() * clockRate / 1e6
	return at - at%step
}

// Add takes a packet that has come now. It copies the payload. The result is false when
// the packet comes too late, comes again, or is too much.
func (m *Muxer) Add(p Packet, now time.Time) bool {
	if p.Samples <= 0 || len(p.Payload) == 0 || segments(len(p.Payload)) > maxSegments {
		return false
	}
	place, newest, ok := m.locate(&p, m.position(now))
	if !ok {
		return false
	}
	w := waiting{place: place, samples: int64(p.Samples), source: p.Source}
	at, _ := slices.BinarySearchFunc(m.waiting, place, func(w waiting, place int64) int { return int(w.place - place) })
	if place < m.next || at > 0 && m.waiting[at-1].end() > place || at < len(m.waiting) && w.end() > m.waiting[at].place {
		return false
	}
	w.payload = slices.Clone(p.Payload)
	m.waiting = slices.Insert(m.waiting, at, w)
	if newest {
		m.mapped, m.timestamp, m.place = true, p.Timestamp, place
	}
	return true
}

// locate finds a packet's place. Who begins to speak is put where the clock is, unless he
// is near it; so is who has fallen so far behind that he would not be heard.
func (m *Muxer) locate(p *Packet, clock int64) (place int64, newest, ok bool) {
	end := m.next
	if n := len(m.waiting); n > 0 {
		end = m.waiting[n-1].end()
	}
	fresh := max(clock, end)
	if !m.mapped {
		return fresh, true, true
	}
	place = m.place + int64(int32(p.Timestamp-m.timestamp))
	newest = place > m.place
	lead := place - clock
	switch {
	case !newest && place > m.place-clockRate:
		return place, false, true
	case !newest, place < m.next, lead > maxLead, p.Marker && (lead > settled || lead < -settled):
		place = fresh
	}
	return place, true, place-clock <= maxLead
}

// Forget throws away what has been added of a speaker and is not in a page yet.
func (m *Muxer) Forget(source uint32) {
	m.waiting = slices.DeleteFunc(m.waiting, func(w waiting) bool { return w.source == source })
	if m.source == source {
		m.idle = concealed // nothing is to be made of his voice either
	}
}

// Pages appends the pages that are due.
func (m *Muxer) Pages(dst []*Page, now time.Time) []*Page {
	until := m.position(now) - patience
	if m.next+maxLag < until { // the clock has jumped: what it left out nobody is to sit through
		m.begin = m.begin.Add(time.Duration(until-m.next-pageSpan) * time.Second / clockRate)
		until = m.next + pageSpan
	}
	for m.next+pageSpan <= until {
		dst = append(dst, m.page())
	}
	return dst
}

// page makes the next page: packets that begin within its span, and what fills the gaps.
func (m *Muxer) page() *Page {
	p := &Page{From: m.next, sequence: m.sequence}
	limit := m.next + pageSpan
	m.bodies = m.bodies[:0]
	used, full := 0, false
	put := func(payload []byte, samples int64) bool {
		if used+segments(len(payload)) > maxSegments {
			full = true
			return false
		}
		used += segments(len(payload))
		m.bodies = append(m.bodies, payload)
		m.next += samples
		return true
	}
	taken := 0
	for m.next < limit && !full {
		if taken == len(m.waiting) || m.waiting[taken].place >= limit {
			m.fill(limit-m.next, put)
			break
		}
		w := &m.waiting[taken]
		if m.fill(w.place-m.next, put); full || !put(w.payload, w.samples) {
			break
		}
		taken++
		m.toc, m.source, m.idle = w.payload[0], w.source, 0
		if !p.Carries(w.source) {
			p.sources = append(p.sources, w.source)
		}
	}
	p.To = m.next
	p.Bytes = appendPage(nil, 0, p.To, m.serial, p.sequence, m.bodies...)
	m.waiting = slices.Delete(m.waiting, 0, taken)
	clear(m.bodies)
	m.sequence++
	return p
}

// fill fills a gap, but for what no packet is short enough for.
func (m *Muxer) fill(gap int64, put func([]byte, int64) bool) {
	for gap >= step {
		payload, samples := m.filler(gap)
		if !put(payload, samples) {
			return
		}
		gap -= samples
		m.idle += samples
	}
}

// filler is a packet for a gap: at first one that lets the decoder conceal, or go on with
// its comfort noise (RFC 7845 §4.1: frames of no length, of the kind that came before);
// then silence.
func (m *Muxer) filler(gap int64) (payload []byte, samples int64) {
	frame := int64(frameSamples(m.toc))
	if m.idle >= concealed || gap < frame {
		return silence(gap)
	}
	n := min(gap, 5760) / frame // a packet is at most 120 ms (RFC 6716 §3.2.5)
	if n == 1 {
		return []byte{m.toc &^ 3}, frame
	}
	return []byte{m.toc | 3, byte(n)}, n * frame
}

// frameSamples is how long a frame is (RFC 6716 §3.1, table 2).
func frameSamples(toc byte) int {
	config := toc >> 3
	switch {
	case config < 12: // SILK: 10, 20, 40, 60 ms
		return [4]int{480, 960, 1920, 2880}[config&3]
	case config < 16: // hybrid: 10, 20 ms
		return 480 << (config & 1)
	default: // CELT: 2.5, 5, 10, 20 ms
		return 120 << (config & 3)
	}
}

// silent are packets of digital silence, of 20, 10, 5 and 2.5 ms: CELT, fullband, one
// channel, a frame that says in its first bit that it is silent (RFC 6716 §4.3).
var silent = [4][]byte{{31 << 3, 0xff, 0xfe}, {30 << 3, 0xff, 0xfe}, {29 << 3, 0xff, 0xfe}, {28 << 3, 0xff, 0xfe}}

// silence is the longest packet of silence that fits into a gap.
func silence(gap int64) (payload []byte, samples int64) {
	for _, payload := range silent {
		if samples := int64(frameSamples(payload[0])); samples <= gap {
			return payload, samples
		}
	}
	panic("ogg: a gap shorter than a frame")
}

// Silent is a page in the place of another, of the same length, in which nothing is heard.
func (m *Muxer) Silent(p *Page) *Page {
	var bodies [][]byte
	for gap := p.To - p.From; gap >= step; {
		payload, samples := silence(gap)
		bodies, gap = append(bodies, payload), gap-samples
	}
	return &Page{From: p.From, To: p.To, sequence: p.sequence, Bytes: appendPage(nil, 0, p.To, m.serial, p.sequence, bodies...)}
}
