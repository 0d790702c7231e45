package test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var (
	trickleType = "application/trickle-ice-sdpfrag"
	restart     = raw{trickleType, []byte("a=ice-ufrag:fresh\r\na=ice-pwd:0123456789012345678901\r\n")}
)

// haunted is a room in which the host speaks and somebody stays, so that packets are there to be had.
type haunted struct {
	*world
	room string
	host *person
	stay *rogue
}

func newHaunted(t *testing.T) *haunted {
	t.Helper()
	w := begin(t)
	h := &haunted{world: w, host: w.founder()}
	h.room = h.host.open("open")
	h.host.rogue(h.room, "whip").talk(1)
	w.member(0).enter(h.room) // is on stage, so that those who come now are listeners
	h.stay = w.guest(t, h.room).rogue(h.room, "whep")
	h.stay.untilPackets()
	return h
}

func (h *haunted) path(rest string) string { return "/rooms/" + h.room + rest }

// ghost is a way to leave with the connection left open.
type ghost struct {
	name  string
	who   *person
	leave func(*rogue)
	stays bool // is in the room still, without sound
	*rogue
	left time.Time
}

// ghosts are all ways to leave a room while one's connection stays.
func (h *haunted) ghosts(t *testing.T) []*ghost {
	m := h.member
	signedOut, elsewhere := m(3).signIn(), m(4).signIn()
	return []*ghost{
		{name: "leaves by HTTP", who: m(1), leave: func(r *rogue) { r.who.must(http.MethodDelete, h.path("/seat"), nil) }},
		{name: "is removed", who: m(2), leave: func(r *rogue) {
			h.host.must(http.MethodDelete, h.path("/participants/"+r.who.id+"?reason=noise"), nil)
		}},
		{name: "signs out", who: signedOut, leave: func(r *rogue) { r.who.must(http.MethodDelete, "/sessions/current", nil) }},
		{name: "goes on with another device", who: m(4), stays: true, leave: func(*rogue) { elsewhere.rogue(h.room, "whep").untilPackets() }},
		{name: "opens a room elsewhere", who: m(5), leave: func(r *rogue) { r.who.open("open") }},
		{name: "hangs up and keeps the seat", who: m(6), stays: true, leave: func(r *rogue) { r.who.must(http.MethodDelete, r.path, nil) }},
		{name: "is a guest who leaves", who: h.guest(t, h.room), leave: func(r *rogue) { r.who.must(http.MethodDelete, h.path("/seat"), nil) }},
	}
}

// knocks tries every door that an ended session has left behind.
func (h *haunted) knocks(g *ghost) {
	fragment := raw{trickleType, []byte("a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n")}
	for tag, body := range map[string]raw{g.etag: fragment, "*": restart, `"` + g.ufrag + `"`: restart} {
		if a := g.who.matching(tag).call(http.MethodPatch, g.path, body); a.status != http.StatusNotFound && a.status != http.StatusUnauthorized {
			g.who.t.Errorf("who %s: PATCH of the ended session: %s", g.name, a)
		}
	}
	if a := g.who.call(http.MethodDelete, g.path, nil); a.status != http.StatusNotFound && a.status != http.StatusUnauthorized {
		g.who.t.Errorf("who %s: DELETE of the ended session: %s", g.name, a)
	}
	other := g.stray()
	_, _ = other.Write(g.check(true))
	g.send(g.handshakeMsg[0])
	last := g.latest()
	g.sendControl(nackAll(last.ssrc, last.seq))
	g.send(g.check(true))
}

func TestWhoHasLeftGetsNothingOnTheConnectionThatHeKept(t *testing.T) {
	h := newHaunted(t)
	streamed := h.guest(t, h.room)
	events := streamed.events(h.room, "")
	onlyEvents := streamed.rogue(h.room, "whep")
	onlyEvents.untilPackets()
	all := h.ghosts(t)
	for _, g := range all {
		g.rogue = g.who.rogue(h.room, "whep")
		g.untilPackets()
	}
	events.cancel() // who drops only the event stream is in the room, and hears
	var latest time.Time
	for _, g := range all {
		g.leave(g.rogue)
		g.left = time.Now()
		latest = g.left
	}
	observe(100 * time.Millisecond) // what was on its way is there
	answers := make([]int, len(all))
	for i, g := range all {
		answers[i], _, _ = g.counts()
	}
	for _, g := range all {
		h.knocks(g)
	}
	from, to := observe(time.Until(latest.Add(2 * time.Second)))
	for i, g := range all {
		t.Logf("who %-28s: last packet %7s after the answer, checks answered since: %d", g.name, g.lastCame().Sub(g.left).Round(time.Microsecond), after(g.rogue, answers[i]))
		if n := g.came(g.left.Add(time.Second), to); n != 0 {
			t.Errorf("who %s: %d packets later than a second after", g.name, n)
		}
		if n := after(g.rogue, answers[i]); n != 0 {
			t.Errorf("who %s: the server answers %d ICE checks of the ended session", g.name, n)
		}
		if _, shown := h.host.room(h.room).of(g.who); g.who.id != "" && shown != g.stays {
			t.Errorf("who %s: shown in the roster: %t", g.name, shown)
		}
	}
	want := int(0.8 * float64(to.Sub(from)/frameTime))
	for name, r := range map[string]*rogue{"who stayed": h.stay, "who dropped the event stream": onlyEvents} {
		if n := r.came(from, to); n < want {
			t.Errorf("%s got %d packets; want at least %d", name, n, want)
		}
	}
	if !streamed.room(h.room).Me.Seated {
		t.Error("who hears is not in the room")
	}
	h.unharmed(t)
}

// after is how many checks were answered since there were n.
func after(r *rogue, n int) int {
	now, _, _ := r.counts()
	return now - n
}

// step is one act in a lane, after a pause.
type step struct {
	Act   string
	Pause time.Duration
}

// lanes draws what is done with one participant at the same time from several places.
func lanes(acts ...string) *rapid.Generator[[][]step] {
	one := rapid.Custom(func(t *rapid.T) step {
		return step{rapid.SampledFrom(acts).Draw(t, "act"), time.Duration(rapid.IntRange(0, 12000).Draw(t, "pause")) * time.Microsecond}
	})
	return rapid.SliceOfN(rapid.SliceOfN(one, 1, 3), 2, 3)
}

// soul is a participant of the random interleavings and every connection he has made of late.
type soul struct {
	*person
	h      *haunted
	mu     sync.Mutex
	rogues []*rogue // of this round
	older  []*rogue // of the round before
}

// act does one step. Being refused is as good as being let in: what counts is what the end of it is.
func (s *soul) act(ctx context.Context, what string, shakes *sync.WaitGroup) {
	switch what {
	case "join":
		r, _, err := s.ask(s.h.room, ways{direction: "whep"})
		if err != nil {
			return
		}
		s.mu.Lock()
		s.rogues = append(s.rogues, r)
		s.mu.Unlock()
		shakes.Go(func() { _ = r.shake(ctx) })
	case "leave":
		_, _ = s.try(http.MethodDelete, s.h.path("/seat"), nil)
	case "remove":
		_, _ = s.h.host.try(http.MethodDelete, s.h.path("/participants/"+s.id+"?reason=other"), nil)
	case "undo":
		_, _ = s.h.host.try(http.MethodDelete, s.h.path("/removals/"+s.id), nil)
	}
}

// came says whether any connection of the soul's got a packet in [from, to).
func (s *soul) came(from, to time.Time) bool {
	for _, r := range append(append([]*rogue(nil), s.rogues...), s.older...) {
		if r.came(from, to) > 0 {
			return true
		}
	}
	return false
}

// present says who is in the room, as the room says it.
func (h *haunted) present(all []*soul) map[*soul]bool {
	roster, in := h.host.room(h.room), map[*soul]bool{}
	for _, s := range all {
		if s.id == "" { // guests are counted, not shown; each knows of himself
			in[s] = s.room(h.room).Me.Seated
		} else {
			_, in[s] = roster.of(s.person)
		}
	}
	return in
}

// interleave plays one round: everybody's lanes at once. It returns how many are in the room at its end.
func (h *haunted) interleave(t *testing.T, all []*soul, round int) (inside int) {
	ctx, cancel := context.WithCancel(context.Background())
	var acting, shakes sync.WaitGroup
	for i, s := range all {
		acts := []string{"join", "join", "leave"}
		if s.id != "" {
			acts = append(acts, "remove", "undo")
		}
		for _, lane := range lanes(acts...).Example(round*100 + i) {
			acting.Go(func() {
				for _, step := range lane {
					<-time.After(step.Pause)
					s.act(ctx, step.Act, &shakes)
				}
			})
		}
	}
	acting.Wait()
	settled := time.Now()
	in := h.present(all)
	for _, s := range all {
		if in[s] {
			inside++
			within(t, joinTime, s.name+", who is in the room, hears", func() bool { return s.came(settled, time.Now()) })
		}
	}
	observe(time.Until(settled.Add(time.Second))) // the promise is a second
	from, to := observe(150 * time.Millisecond)
	for _, s := range all {
		if got := s.came(from, to); got != in[s] {
			t.Errorf("round %d: %s (%s): in the room %t, gets packets %t", round, s.name, s.id, in[s], got)
		}
	}
	cancel()
	shakes.Wait()
	for _, s := range all {
		for _, r := range s.older {
			r.close()
		}
		s.older, s.rogues = s.rogues, nil
	}
	return inside
}

func TestWhoGetsPacketsIsInTheRoomWhateverTheOrder(t *testing.T) {
	h := newHaunted(t)
	var all []*soul
	for i := range 6 {
		all = append(all, &soul{person: h.member(1 + i), h: h})
	}
	for range 14 {
		all = append(all, &soul{person: h.guest(t, h.room), h: h})
	}
	rounds, inside := 12, 0
	if testing.Short() {
		rounds = 2
	}
	begin := time.Now()
	for round := range rounds {
		inside += h.interleave(t, all, round)
	}
	t.Logf("%d interleavings in %s: %d ended inside, %d outside", rounds*len(all), time.Since(begin).Round(time.Millisecond), inside, rounds*len(all)-inside)
	// Or it would prove nothing. Most guests end outside: from where somebody was removed nobody comes in as one.
	if n := rounds * len(all); inside < n/30 || inside > n*9/10 {
		t.Errorf("of %d interleavings %d ended inside", n, inside)
	}
	h.unharmed(t)
}

// TestListenerWhoVanishesIsSentNothingAfterHalfAMinute holds for who cannot say that he has gone (RFC 7675 §5.1).
func TestListenerWhoVanishesIsSentNothingAfterHalfAMinute(t *testing.T) {
	t.Parallel()
	h := newHaunted(t)
	r := h.member(1).rogue(h.room, "whep")
	r.untilPackets()
	close(r.stop) // no more checks; the socket stays and sees what is sent
	r.once.Do(func() {})
	t.Cleanup(func() { _ = r.conn.Close() })
	vanished := time.Now()
	within(t, 30*time.Second, "nothing is sent to who has vanished", func() bool { return time.Since(r.lastCame()) > time.Second })
	t.Logf("the last packet was sent %s after the last check", r.lastCame().Sub(vanished).Round(time.Millisecond))
	within(t, 5*time.Second, "the roster shows it", func() bool {
		seat, shown := h.host.room(h.room).of(h.member(1))
		return shown && !seat.Connected
	})
	if n := h.stay.came(time.Now().Add(-500*time.Millisecond), time.Now()); n < 20 {
		t.Errorf("who stayed got %d packets in half a second", n)
	}
}
