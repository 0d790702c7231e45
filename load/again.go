package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// How somebody who has lost the server comes back: as the web client does.
const (
	lookEvery    = 100 * time.Millisecond
	quietDown    = 900 * time.Millisecond  // nothing has come to a listener for so long,
	quietUp      = 1500 * time.Millisecond // nor a report to a speaker
	firstBackoff = 300 * time.Millisecond
	lastBackoff  = 7 * time.Second
	returnSpan   = 2 * time.Second // within which the server spreads those who lose it
	evenTries    = 3               // as often the server is looked for at the same moment of each span
	spikeSpan    = 100 * time.Millisecond
)

// returns gathers how coming back went.
type returns struct {
	keeping sync.WaitGroup

	mu    sync.Mutex
	took  []float32   // ms from the last packet of a listener before to the first one after
	tries []time.Time // when a session was asked for, by listeners and speakers
	found []time.Time // when a listener looked for the server and found it
	away  int         // listeners who look for the server now
}

// Returns tells how listeners fared who lost the server: from the last packet that came
// before to the first one that came after.
type Returns struct {
	OK      int     `json:"ok"`
	Away    int     `json:"away"` // have not come back
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	Longest float64 `json:"longest_ms"`
	Found   Storm   `json:"found"` // the listeners who looked for the server and found it
	Tries   Storm   `json:"tries"` // requests for a session, those of speakers too
}

// Storm tells how evenly many did something after one moment.
type Storm struct {
	Number  int     `json:"number"`
	Span    float64 `json:"span_ms"` // from the first to the last
	Busiest int     `json:"busiest"` // in the busiest 100 ms
}

// Peak is how many times the mean of 100 ms the busiest 100 ms were.
func (s Storm) Peak() float64 {
	if s.Number == 0 {
		return 0
	}
	spans := max(s.Span*1e6/float64(spikeSpan), 1)
	return float64(s.Busiest) * spans / float64(s.Number)
}

// String says it in words.
func (s Storm) String() string {
	return fmt.Sprintf("%d in %.0f ms, %d in the busiest 100 ms, %.1f times the mean", s.Number, s.Span, s.Busiest, s.Peak())
}

func storm(moments []time.Time) Storm {
	slices.SortFunc(moments, time.Time.Compare)
	out := Storm{Number: len(moments)}
	first := 0
	for i, at := range moments {
		for at.Sub(moments[first]) >= spikeSpan {
			first++
		}
		out.Busiest = max(out.Busiest, i-first+1)
		out.Span = float64(at.Sub(moments[0])) / 1e6
	}
	return out
}

func (x *returns) report() *Returns {
	x.mu.Lock()
	defer x.mu.Unlock()
	return &Returns{
		OK: len(x.took), Away: x.away, P50: percentile(x.took, 50), P99: percentile(x.took, 99), Longest: percentile(x.took, 100),
		Found: storm(x.found), Tries: storm(x.tries),
	}
}

func (x *returns) note(f func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	f()
}

// backoff is how long to wait before the next try: doubling, with half of it left to
// chance, so that those who lost the same server do not come back in the same moment.
func backoff(attempt int) time.Duration {
	ceiling := min(lastBackoff, firstBackoff<<min(attempt+1, 10))
	return max(firstBackoff, time.Duration(float64(ceiling)*(0.5+rand.Float64()/2)))
}

// lose waits until the peer has lost the server, or its event stream has; false when ctx
// ends before.
func (r *run) lose(ctx context.Context, p *peer, streamEnded <-chan struct{}, quiet time.Duration) bool {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	begin := r.Now()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-streamEnded:
			return ctx.Err() == nil
		case <-look.C:
		}
		latest := time.Unix(0, p.latest.Load())
		if latest.Before(begin) {
			latest = begin
		}
		if r.Now().Sub(latest) > quiet {
			return true
		}
	}
}

// find waits until the server answers; false when ctx ends before.
func (r *run) find(ctx context.Context, m *room, who credential) bool {
	for attempt := 0; ; attempt++ {
		if pause(ctx, backoff(attempt)) != nil {
			return false
		}
		var refused *Refusal
		if _, err := r.api.call(ctx, http.MethodGet, m.path(""), who, nil, nil); err == nil || errors.As(err, &refused) && refused.Status < 500 {
			return true
		}
	}
}

// open opens the event stream of somebody who had one, or had none yet: at the moment that
// the server gave him, and if it is not there yet, at the same moment of the spans after.
// nil when ctx ends before.
func (r *run) open(ctx context.Context, m *room, who credential, before *events) *events {
	for attempt := 0; ; attempt++ {
		var wait time.Duration
		switch {
		case attempt > evenTries:
			wait = backoff(attempt)
		case attempt > 0:
			wait = returnSpan
		case before != nil:
			wait = before.retry
		}
		if pause(ctx, wait) != nil {
			return nil
		}
		at := r.Now()
		if x, err := r.api.events(ctx, m.id, who); err == nil {
			if before != nil {
				r.returns.note(func() { r.returns.found = append(r.returns.found, at) })
			}
			return x
		}
	}
}

// again asks for a session until there is one; false when ctx ends before.
func (r *run) again(ctx context.Context, connect func(context.Context) error) bool {
	for attempt := 0; ; attempt++ {
		r.returns.note(func() { r.returns.tries = append(r.returns.tries, r.Now()) })
		err := connect(ctx)
		if err == nil {
			return true
		}
		r.Log.Debug("come back", "error", err)
		if pause(ctx, backoff(attempt)) != nil {
			return false
		}
	}
}

// keep brings a listener back whenever it loses the server, until ctx ends.
func (r *run) keep(ctx context.Context, m *room, l *listener, n int) {
	p, session := l.peer, l.session
	line := r.open(ctx, m, l.who, nil)
	for line != nil && r.lose(ctx, p, line.ended, quietDown) {
		select {
		case <-line.ended: // the stream finds the server, and what else comes back goes with it
			if line = r.open(ctx, m, l.who, line); line == nil {
				return
			}
		default:
		}
		if known, err := r.api.knows(ctx, session, l.who, &p.credentials); err != nil || known {
			_ = pause(ctx, quietDown) // lose sees that ctx has ended
			continue
		}
		last := time.Unix(0, p.latest.Load())
		r.returns.note(func() { r.returns.away++ })
		if !r.again(ctx, func(ctx context.Context) error {
			c, err := r.credentials()
			if err != nil {
				return err
			}
			p = newPeer(c)
			p.sample = n
			_, session, err = r.connect(ctx, p, m.path("/whep"), l.who, offer(&p.credentials, r.dtls, r.Slots, "recvonly"), n)
			if err == nil {
				r.joins.mu.Lock()
				l.session = session
				r.joins.mu.Unlock()
			}
			return err
		}) {
			return
		}
		select {
		case <-p.heard:
			r.returns.note(func() {
				r.returns.away--
				r.returns.took = append(r.returns.took, float32(time.Unix(0, p.heardAt.Load()).Sub(last).Seconds()*1e3))
			})
		case <-p.gone:
			r.returns.note(func() { r.returns.away-- }) // and once more
		case <-ctx.Done():
			return
		}
	}
}

// keepSpeaker brings a speaker back.
func (r *run) keepSpeaker(ctx context.Context, m *room, s *speaker) {
	p := s.peer
	for r.lose(ctx, p, p.gone, quietUp) && r.find(ctx, m, s.who) {
		if !r.again(ctx, func(ctx context.Context) error {
			next, err := r.speakerUp(ctx, m, s.who, int(s.number))
			if err == nil {
				r.talk.Lock()
				defer r.talk.Unlock()
				p = next.peer
				s.peer, s.session, s.pt, s.level = next.peer, next.session, next.pt, next.level
			}
			return err
		}) {
			return
		}
	}
}
