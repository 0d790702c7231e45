package media

import (
	"sync"
	"time"

	"besedka/fanout"
	"besedka/ogg"
)

const (
	// headStart is how much sound a reader is given at once: his player begins without
	// waiting, and what the network does within that time is not heard.
	headStart = 8
	// keptPages is how far a reader may fall behind, 9.6 s; then pages are left out for him.
	keptPages = 32
	// pagesEvery is how often pages are looked for.
	pagesEvery = 100 * time.Millisecond
)

// broadcast is what a room sounds like to those who read it as a file: one stream of
// pages for all of them. There is one as long as somebody reads.
type broadcast struct {
	headers []byte
	untap   func()

	in  sync.Mutex // taken while Floor.mu is held, and before out
	mux *ogg.Muxer

	out   sync.Mutex
	pages [keptPages]*ogg.Page // a ring
	end   uint64               // pages there have been
	more  chan struct{}        // closed with the next page
}

// newBroadcast begins a broadcast of a floor; its first pages are a head start of silence.
func (s *Server) newBroadcast(f *fanout.Floor) *broadcast {
	serial, err := randomUint32(s.cfg.Random)
	if err != nil {
		panic("no randomness: " + err.Error())
	}
	now := s.cfg.Now()
	b := &broadcast{mux: ogg.NewMuxer(serial, now.Add(-headStart*ogg.PageTime-ogg.Patience)), more: make(chan struct{})}
	b.headers = b.mux.Headers()
	b.advance(now)
	b.untap = f.Tap(b)
	s.air.add(b)
	return b
}

// endBroadcast ends it. Nobody may be reading any more.
func (s *Server) endBroadcast(b *broadcast) {
	s.air.remove(b)
	b.untap()
}

// Take takes a packet from the floor.
func (b *broadcast) Take(p fanout.OpusPacket, now time.Time) bool {
	samples, err := fanout.OpusSamples(p.Payload)
	if err != nil {
		return false
	}
	b.in.Lock()
	defer b.in.Unlock()
	return b.mux.Add(ogg.Packet{Timestamp: p.Timestamp, Samples: samples, Source: p.Source, Marker: p.Marker, Payload: p.Payload}, now)
}

// Forget sees to it that nothing of a speaker is handed out any more, also of what
// waits for slow readers or is kept for new ones.
func (b *broadcast) Forget(csrc uint32) {
	b.in.Lock()
	defer b.in.Unlock()
	b.mux.Forget(csrc)
	b.out.Lock()
	defer b.out.Unlock()
	for i, p := range b.pages {
		if p != nil && p.Carries(csrc) {
			b.pages[i] = b.mux.Silent(p)
		}
	}
}

// advance makes the pages that are due and lets the readers have them.
func (b *broadcast) advance(now time.Time) {
	if news := b.append(now); news != nil {
		close(news)
	}
}

// append makes the pages that are due; who waits for them waits for what it returns.
func (b *broadcast) append(now time.Time) (news chan struct{}) {
	b.in.Lock()
	defer b.in.Unlock()
	pages := b.mux.Pages(nil, now)
	if len(pages) == 0 {
		return nil
	}
	b.out.Lock()
	defer b.out.Unlock()
	for _, p := range pages {
		b.pages[b.end%keptPages] = p
		b.end++
	}
	news, b.more = b.more, make(chan struct{})
	return news
}

// after appends the pages from number next on, of which too old ones are left out, and
// says which comes then, how many are missing, and what to wait for.
func (b *broadcast) after(dst [][]byte, next uint64) (pages [][]byte, then uint64, missed uint64, more <-chan struct{}) {
	b.out.Lock()
	defer b.out.Unlock()
	if b.end-next > keptPages {
		missed = b.end - headStart - next
		next += missed
	}
	for ; next < b.end; next++ {
		dst = append(dst, b.pages[next%keptPages].Bytes)
	}
	return dst, next, missed, b.more
}

// begin is the number of the page with which a new reader begins.
func (b *broadcast) begin() uint64 {
	b.out.Lock()
	defer b.out.Unlock()
	return b.end - min(b.end, headStart)
}

// air is the broadcasts that there are.
type air struct {
	mu   sync.Mutex
	all  map[*broadcast]struct{}
	wake chan struct{}
}

func newAir() *air { return &air{all: make(map[*broadcast]struct{}), wake: make(chan struct{}, 1)} }

func (a *air) add(b *broadcast) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all[b] = struct{}{}
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func (a *air) remove(b *broadcast) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.all, b)
}

func (a *air) list(dst []*broadcast) []*broadcast {
	a.mu.Lock()
	defer a.mu.Unlock()
	for b := range a.all {
		dst = append(dst, b)
	}
	return dst
}

// turnPages makes the pages of all broadcasts until the server is closed. It sleeps
// while there is none.
func (s *Server) turnPages() {
	tick := time.NewTicker(pagesEvery)
	defer tick.Stop()
	var all []*broadcast
	for {
		if all = s.air.list(all[:0]); len(all) == 0 {
			select {
			case <-s.air.wake:
			case <-s.ctx.Done():
				return
			}
			tick.Reset(pagesEvery)
		}
		now := s.cfg.Now()
		for _, b := range all {
			b.advance(now)
		}
		clear(all)
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
	}
}
