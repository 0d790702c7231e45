package room

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"besedka"
	"besedka/db"
	"besedka/db/dbtest"

	"pgregory.net/rapid"
)

// cast are the people of the random tests: anna opens the first room, boris
// the second; anna and boris follow some of the others.
var (
	cast   = []besedka.AccountID{"anna", "boris", "vera", "gleb", "dina", "egor"}
	guests = []besedka.ParticipantID{"guest-1", "guest-2"}
	nets   = []string{"", "net-1", "net-2", "net-3"}
	edges  = map[besedka.AccountID][]besedka.AccountID{"vera": {"anna", "boris"}, "gleb": {"anna"}, "dina": {"boris", "vera"}}
)

// drama is two rooms, played at random beside their oracles.
type drama struct {
	*world
	rooms []*oracle
	csrcs map[string]besedka.AccountID // room/csrc → whose it was first
	stage map[besedka.RoomID][]besedka.AccountID
	hands map[besedka.RoomID][]besedka.AccountID
	acted besedka.ParticipantID // who did the step
	verb  string
	steps int
	walls map[[2]besedka.AccountID]bool // who blocks whom
	rows  map[besedka.RoomID]checkedRows
}

// checkedRows are those of a room as they were last compared with its state.
type checkedRows struct {
	version int64
	text    string
	over    bool // and it was over then
}

func newDrama(t *rapid.T, w *world) *drama {
	err := w.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`UPDATE rooms SET ended_at = 1 WHERE ended_at = 0`) // those of the play before
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if w.limits = (Limits{}); rapid.Bool().Draw(t, "small") {
		w.limits = Limits{Listeners: 2, Overflow: rapid.IntRange(1, 3).Draw(t, "overflow")}
	}
	w.start()
	d := &drama{world: w, csrcs: map[string]besedka.AccountID{}, stage: map[besedka.RoomID][]besedka.AccountID{},
		hands: map[besedka.RoomID][]besedka.AccountID{}, walls: map[[2]besedka.AccountID]bool{}, rows: map[besedka.RoomID]checkedRows{}}
	w.graph.walls = nil
	for target, followers := range edges {
		for _, f := range followers {
			w.graph.follow(f, target)
		}
	}
	for i, host := range cast[:2] {
		kind := rapid.SampledFrom([]Kind{KindOpen, KindOpen, KindSocial, KindClosed}).Draw(t, fmt.Sprint("kind", i))
		d.rooms = append(d.rooms, d.begun(w.open(host, kind), kind, host))
	}
	for _, account := range cast[2:] {
		d.invite(t, d.rooms[rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "first room")], account)
	}
	return d
}

// invite picks somebody into a room, and they come.
func (d *drama) invite(t *rapid.T, o *oracle, account besedka.AccountID) {
	d.step(o.host.Participant(), "pick")
	d.expect(t, d.service.Pick(ctx, o.id, actor(o.host), account), o.pick(o.host, account))
	d.step(account.Participant(), "enter")
	d.expect(t, d.service.Enter(ctx, o.id, actor(account)), o.enter(actor(account), false, d.now()))
	d.check(t)
}

func (d *drama) now() time.Time { return moment(d.clock.Now()) }

// pickActor draws an account with one of two credentials, or a guest.
func (d *drama) pickActor(t *rapid.T, guestsToo bool) Actor {
	if guestsToo && rapid.IntRange(0, 4).Draw(t, "guest?") == 0 {
		g := rapid.SampledFrom(guests).Draw(t, "guest")
		return Actor{Who: g, Credential: besedka.CredentialID(g), GuestOf: d.rooms[0].id, Place: rapid.SampledFrom(nets).Draw(t, "place")}
	}
	a := actor(rapid.SampledFrom(cast).Draw(t, "who"))
	a.Place = rapid.SampledFrom(nets).Draw(t, "place")
	if rapid.IntRange(0, 5).Draw(t, "device") == 0 {
		a.Credential += "b"
	}
	return a
}

// pickMover draws who commands: often somebody who may.
func (d *drama) pickMover(t *rapid.T, o *oracle, verb string) Actor {
	able := []besedka.AccountID{}
	for _, account := range cast {
		switch {
		case !o.here(account):
		case (verb == "ask" || verb == "withdraw") && account != o.host, (verb == "agree" || verb == "refuse") && !o.on(account):
		case verb == "accept" && !o.invited[account], verb == "accept heir" && d.offered(o) != account:
		case plays[verb].own, o.moderates(account):
			able = append(able, account)
		}
	}
	if len(able) == 0 || rapid.IntRange(0, 2).Draw(t, "anybody?") == 0 {
		return d.pickActor(t, true)
	}
	return actor(rapid.SampledFrom(able).Draw(t, "mover"))
}

func (d *drama) pickRoom(t *rapid.T) *oracle {
	return d.rooms[min(1, rapid.IntRange(0, 3).Draw(t, "room")/3)]
}

// step begins a step; every one takes a moment, so that times differ.
func (d *drama) step(who besedka.ParticipantID, verb string) {
	d.clock.Advance(time.Millisecond)
	d.acted, d.verb = who, verb
}

func (d *drama) expect(t *rapid.T, err error, want string) {
	t.Helper()
	if got := code(err); got != want {
		t.Fatalf("%s by %s: got %q (%v), want %q", d.verb, d.acted, got, err, want)
	}
}

func (d *drama) enterSome(t *rapid.T) {
	o, a := d.pickRoom(t), d.pickActor(t, true)
	d.step(a.Who, "enter")
	overflow := rapid.Bool().Draw(t, "overflow")
	want := d.barred(o, a)
	if want == "" {
		want = o.mayEnter(a, overflow)
	}
	if want == "" {
		o.beside.cameFrom(a.Who, a.Place)
		for _, other := range d.rooms {
			if other != o {
				other.quit(a.Who, d.now())
			}
		}
	}
	if want == "" {
		d.expect(t, nil, o.enter(a, overflow, d.now()))
	}
	d.expect(t, d.service.EnterBy(ctx, o.id, a, Entry{Overflow: overflow}), want)
}

// barred is what a guest is told who comes from where somebody came who was removed.
func (d *drama) barred(o *oracle, a Actor) string {
	if d.service.known(o.id) == nil {
		o.beside.forget()
	}
	for _, room := range d.rooms {
		if room.seats[a.Who] != nil {
			return ""
		}
	}
	if a.Who.IsGuest() && o.beside.bars(a.Place) {
		return "guest_place_barred"
	}
	return ""
}

func (d *drama) leaveSome(t *rapid.T) {
	o, a := d.pickRoom(t), d.pickActor(t, true)
	d.step(a.Who, "leave")
	want := ""
	if o.door(a) == "not_found" {
		want = "not_found"
	} else if o.seats[a.Who] != nil {
		o.quit(a.Who, d.now())
	}
	d.expect(t, d.service.Leave(ctx, o.id, a), want)
}

func (d *drama) connect(t *rapid.T) {
	o, a := d.pickRoom(t), d.pickActor(t, true)
	d.step(a.Who, "connect")
	up := rapid.Bool().Draw(t, "up")
	c := o.seats[a.Who]
	opened := d.gate.open(o.id, a, up)
	if want := c != nil && (!up || o.on(a.Who.Account())); opened != want {
		t.Fatalf("session of %s: opened %v, want %v", a.Who, opened, want)
	}
	if opened && (c.cred == "" || c.cred == a.Credential) {
		c.cred, c.held, c.lost = a.Credential, true, false
	}
}

// stay gives everybody in a room a connection.
func (d *drama) stay(t *rapid.T) {
	o := d.pickRoom(t)
	d.step("", "stay")
	for who, c := range o.seats {
		if c.cred != "" && d.gate.open(o.id, Actor{Who: who, Credential: c.cred}, false) {
			c.held, c.lost = true, false
		}
	}
}

func (d *drama) drop(t *rapid.T) {
	a := d.pickActor(t, true)
	d.step(a.Who, "drop")
	d.gate.drop(a.Who)
	d.lost(a.Who)
}

// lost is what the oracle makes of all of somebody's sessions being gone.
func (d *drama) lost(who besedka.ParticipantID) {
	for _, o := range d.rooms {
		if c := o.seats[who]; c != nil && c.held {
			c.held, c.lost, c.until = false, true, d.now().Add(time.Minute)
		}
	}
}

// reap loses the seats of those whose last session the gate has ended, as when
// a speaker without a down session is moved to the audience.
func (d *drama) reap() {
	holding := map[besedka.ParticipantID]bool{}
	for _, s := range d.gate.sessions {
		for _, o := range d.rooms {
			if c := o.seats[s.who]; o.id == s.room && c != nil && c.cred == s.cred {
				holding[s.who] = true
			}
		}
	}
	for _, o := range d.rooms {
		for who := range o.seats {
			if !holding[who] {
				d.lost(who)
			}
		}
	}
}

func (d *drama) pass(t *rapid.T) {
	d.step("", "time")
	d.clock.Advance(rapid.SampledFrom([]time.Duration{time.Second, 10 * time.Second, 25 * time.Second, time.Minute}).Draw(t, "time"))
	for _, o := range d.rooms {
		o.sweep(d.now())
	}
	d.service.Sweep(ctx)
}

func (d *drama) restart(t *rapid.T) {
	d.step("", "restart")
	d.start()
	for _, o := range d.rooms {
		o.restart(d.now())
	}
}

func (d *drama) command(t *rapid.T) {
	o, verb := d.pickRoom(t), rapid.SampledFrom(verbs).Draw(t, "verb")
	if verb == "end" && rapid.IntRange(0, 7).Draw(t, "really?") > 0 {
		verb = "lift"
	}
	a, g := d.pickMover(t, o, verb), aim{room: o.id, target: rapid.SampledFrom(cast).Draw(t, "target").Participant(), arg: d.drawArg(t, o, verb)}
	if (verb == "remove" || verb == "undo") && rapid.IntRange(0, 2).Draw(t, "guest?") == 0 {
		g.target = rapid.SampledFrom(guests).Draw(t, "guest")
	}
	if rapid.IntRange(0, 3).Draw(t, "sure?") == 0 {
		a = a.Sure()
	}
	d.once(t, o, a, verb, g)
	if rapid.IntRange(0, 5).Draw(t, "twice?") == 0 {
		d.check(t)
		d.once(t, o, a, verb, g)
	}
}

// once does a command and expects what the oracle says.
func (d *drama) once(t *rapid.T, o *oracle, a Actor, verb string, g aim) {
	d.step(a.Who, verb)
	want := d.foretell(o, a, verb, g)
	if rapid.IntRange(0, 5).Draw(t, "database away?") > 0 {
		d.expect(t, d.perform(a, verb, g), want)
		return
	}
	err, tried := d.withoutDatabase(t, func() error { return d.perform(a, verb, g) })
	if !tried {
		err = d.perform(a, verb, g)
	}
	d.expect(t, err, want)
	for _, o := range d.rooms {
		o.sweep(d.now())
	}
	d.service.Sweep(ctx)
}

// foretell is what must come of a command.
func (d *drama) foretell(o *oracle, a Actor, verb string, g aim) string {
	switch by := a.Who.Account(); {
	case verb == "react" && g.arg == "boo":
		return "reaction_invalid"
	case verb == "remove" && g.target.IsGuest() && o.seats[g.target] == nil, verb == "ask up" && by == "":
		return "not_found"
	case verb == "unshare":
		return o.unshare(a)
	}
	if code := o.door(a); code != "" {
		return code
	}
	if a.Who.IsGuest() {
		return "guests_only_listen"
	}
	by, offered := a.Who.Account(), d.offered(o)
	o.sure = a.sure && verb != "ask up"
	if code := o.act(verb, by, g.target, g.arg, d.now()); code != "" || verb != "accept heir" || by == o.host {
		return code
	}
	if by != offered || !o.on(by) {
		return "not_offered"
	}
	o.crown(by)
	o.watch(d.now())
	return ""
}

// withoutDatabase runs f while nothing can be written. Either that was not
// needed, and f has done its work, or nothing at all has changed.
func (d *drama) withoutDatabase(t *rapid.T, f func() error) (err error, done bool) {
	rows := d.service.rows
	d.service.rows = &failing{rows: rows, away: true}
	var before []string
	for _, o := range d.rooms {
		before = append(before, d.dumped(o))
	}
	err = f()
	d.service.rows = rows
	if code(err) != db.ErrUnavailable.Code {
		return err, true
	}
	for i, o := range d.rooms {
		if after := d.dumped(o); after != before[i] {
			t.Fatalf("%s was not saved and has changed\n%s\nto\n%s", d.verb, before[i], after)
		}
	}
	return err, false
}

// dumped is a room in memory with its grants, as text; "" when it is forgotten.
func (d *drama) dumped(o *oracle) string {
	if d.service.known(o.id) == nil {
		return ""
	}
	return dump(d.service, o.id) + fmt.Sprint(d.gate.granted(o.id))
}

// state is the room in memory, loaded if it was forgotten.
func (d *drama) state(t *rapid.T, o *oracle) *State {
	c, err := d.service.find(ctx, o.id)
	if err != nil {
		t.Fatal(err)
	}
	return c.state
}

func (d *drama) offered(o *oracle) besedka.AccountID {
	if c := d.service.known(o.id); c != nil {
		return c.state.vigil.Offered
	}
	return ""
}

// check compares the service with the oracles and holds it to its invariants.
func (d *drama) check(t *rapid.T) {
	d.reap()
	for _, o := range d.rooms {
		if d.over(o) && d.rows[o.id].over {
			continue // nothing can change it
		}
		st := d.state(t, o)
		d.checkOracle(t, o, st)
		d.checkMedia(t, o.id, st)
		d.checkRoster(t, o, st)
		d.checkRows(t, o.id, st)
		d.checkConsent(t, o.id, st)
		d.checkVeil(t, o)
		if d.over(o) {
			checked := d.rows[o.id]
			checked.over = true
			d.rows[o.id] = checked
		}
	}
	d.checkSeats(t)
	d.checkDoors(t)
}

// over says whether the room has ended and is not known in memory any more.
func (d *drama) over(o *oracle) bool { return o.ended && d.service.known(o.id) == nil }

// open begins another room in the place of one that is over.
func (d *drama) open(t *rapid.T) {
	i := slices.IndexFunc(d.rooms, d.over)
	if i < 0 {
		return
	}
	a := actor(rapid.SampledFrom(cast).Draw(t, "host"))
	kind := rapid.SampledFrom([]Kind{KindOpen, KindOpen, KindSocial, KindClosed}).Draw(t, "kind")
	d.step(a.Who, "enter")
	for _, o := range d.rooms {
		o.quit(a.Who, d.now())
	}
	id, err := d.service.Open(ctx, a, Opening{Title: "Evening", Kind: kind})
	d.expect(t, err, "")
	d.rooms[i] = d.begun(id, kind, a.Who.Account())
}

// begun is the oracle of a room that has just been opened.
func (d *drama) begun(id besedka.RoomID, kind Kind, host besedka.AccountID) *oracle {
	o := newOracle(id, kind, host, d.now())
	o.title, o.follows, o.limits, o.walls = "Evening", edges, d.limits.orDefault(), &d.walls
	d.stage[id] = []besedka.AccountID{host}
	return o
}

func (d *drama) checkOracle(t *rapid.T, o *oracle, st *State) {
	t.Helper()
	same := func(what string, got, want any) {
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("after %s by %s, %s: got %v, want %v", d.verb, d.acted, what, got, want)
		}
	}
	same("ended", st.Ended(), o.ended)
	same("seats", slices.Sorted(maps.Keys(st.seats.rows)), slices.Sorted(maps.Keys(o.seats)))
	same("silenced", st.silenced(), slices.Sorted(maps.Keys(o.silenced)))
	same("removed", slices.Sorted(maps.Keys(st.removals.rows)), slices.Sorted(maps.Keys(o.removed)))
	same("picked", slices.Sorted(maps.Keys(st.picks.rows)), slices.Sorted(maps.Keys(o.picked)))
	same("title and setting", st.info.Title+string(st.info.Hands), o.title+string(o.setting))
	same("host", st.info.Host, o.host)
	if o.ended {
		return
	}
	same("stage", st.onStage(), o.stage)
	d.checkFloor(t, o, st)
	d.checkWays(t, o, st)
	d.checkBeside(t, o, st)
	same("invited", slices.Sorted(maps.Keys(st.invited.rows)), slices.Sorted(maps.Keys(o.invited)))
	for who, c := range o.seats {
		seat := st.seats.rows[who]
		same("role of "+string(who), st.Role(who), o.role(who))
		same("seat of "+string(who), []any{seat.Credential, seat.Muted, seat.Deadline.IsZero(), seat.Lost, seat.Overflow}, []any{c.cred, c.muted, c.held, c.lost, c.over})
	}
	if heir := st.vigil.Offered; heir != "" && (st.roleOf(heir) != besedka.RoleSpeaker && d.verb == "time" || len(st.moderators()) > 0) {
		t.Fatalf("the room is offered to %s", heir)
	}
}

func (s *State) silenced() []besedka.AccountID {
	var list []besedka.AccountID
	for account, v := range s.voices.rows {
		if v.SilencedBy != "" {
			list = append(list, account)
		}
	}
	slices.Sort(list)
	return list
}

// checkMedia: who gets packets is who is shown; who sends them is on stage;
// who is heard is neither silenced nor muted; who was removed gets nothing.
func (d *drama) checkMedia(t *rapid.T, room besedka.RoomID, st *State) {
	t.Helper()
	granted := d.gate.granted(room)
	for who := range st.seats.rows {
		if _, ok := granted[who]; !ok {
			t.Fatalf("%s is shown and gets nothing", who)
		}
	}
	for who, g := range granted {
		on := st.Role(who).OnStage()
		seat, here := st.seats.get(who)
		voice := st.voices.rows[who.Account()]
		switch {
		case !here, st.removals.has(who), st.Ended():
			t.Fatalf("ghost: %s is granted %+v", who, g)
		case g.Publish != on, g.Forward != (on && voice.SilencedBy == "" && !seat.Muted), on != (g.CSRC != 0):
			t.Fatalf("%s as %s is granted %+v", who, st.Role(who), g)
		}
	}
	for id, s := range d.gate.sessions {
		if g, ok := granted[s.who]; s.room == room && (!ok || s.up && !g.Publish) {
			t.Fatalf("%s of %s outlives its grant", id, s.who)
		}
	}
}

// checkRoster: what people see is who gets packets, but for those who block them.
func (d *drama) checkRoster(t *rapid.T, o *oracle, st *State) {
	t.Helper()
	for who := range st.seats.rows {
		a := Actor{Who: who}
		if who.IsGuest() {
			continue
		}
		v, err := d.service.View(ctx, o.id, a)
		if err != nil {
			t.Fatal(err)
		}
		var shown []besedka.ParticipantID
		for _, p := range v.Participants {
			shown = append(shown, p.Account.Participant())
		}
		slices.Sort(shown)
		over, unseen := 0, 0
		seated := slices.DeleteFunc(slices.Sorted(maps.Keys(st.seats.rows)), func(who besedka.ParticipantID) bool {
			over += int(bit(st.seats.rows[who].Overflow))
			if who.IsGuest() || st.seats.rows[who].Overflow {
				return true
			}
			hidden := o.unseen(a.Who.Account(), who.Account())
			unseen += int(bit(hidden))
			return hidden
		})
		if !slices.Equal(shown, seated) || v.Counts.All != len(st.seats.rows)-unseen || v.Counts.All-v.Counts.Guests-v.Counts.Overflow != len(seated) || v.Counts.Overflow != over {
			t.Fatalf("shown %v, counts %+v, here %v", shown, v.Counts, slices.Sorted(maps.Keys(st.seats.rows)))
		}
		if (v.Queue != nil) != st.Role(who).Moderates() || (v.Queue == nil) != (v.Removals == nil) {
			t.Fatalf("%s as %s sees the queue %v", who, st.Role(who), v.Queue)
		}
	}
}

// checkRows: rows agree with memory, with one another, and with one host.
func (d *drama) checkRows(t *rapid.T, room besedka.RoomID, st *State) {
	t.Helper()
	d.compareRows(t, room, st)
	for account, v := range st.voices.rows {
		key := fmt.Sprint(room, v.CSRC)
		if first, known := d.csrcs[key]; v.CSRC == 0 || known && first != account {
			t.Fatalf("CSRC %d is of %s and %s", v.CSRC, first, account)
		}
		d.csrcs[key] = account
	}
	if st.Ended() {
		return
	}
	hosts := 0
	for account, p := range st.stage.rows {
		if p.Role == besedka.RoleHost {
			hosts++
		}
		if !st.seats.has(account.Participant()) || (p.Role == besedka.RoleHost) != (account == st.info.Host) {
			t.Fatalf("%s is on stage as %s, seated %v, host %s", account, p.Role, st.seats.has(account.Participant()), st.info.Host)
		}
	}
	if st.info.Host == "" || hosts > 1 || hosts == 0 && st.seats.has(st.info.Host.Participant()) {
		t.Fatalf("%d hosts on stage, host %q", hosts, st.info.Host)
	}
	for account := range st.hands.rows {
		if st.roleOf(account) != besedka.RoleListener {
			t.Fatalf("hand of %s, who is %q", account, st.roleOf(account))
		}
	}
}

// compareRows compares a state with its rows, which cannot have changed while
// their version has not.
func (d *drama) compareRows(t *rapid.T, room besedka.RoomID, st *State) {
	t.Helper()
	checked, inMemory := d.rows[room], dumpRows(st)
	if c := d.service.known(room); c == nil || c.version != checked.version {
		kept, version, _, err := d.service.rows.load(ctx, room)
		if err != nil {
			t.Fatal(err)
		}
		checked = checkedRows{version: version, text: dumpRows(kept)}
		d.rows[room] = checked
	}
	if inMemory != checked.text {
		t.Fatalf("after %s by %s, in memory\n%s\nin rows\n%s", d.verb, d.acted, inMemory, checked.text)
	}
}

// checkConsent: whoever is newly on stage did something themselves: entered,
// accepted, or had a hand up before somebody else's step.
func (d *drama) checkConsent(t *rapid.T, room besedka.RoomID, st *State) {
	t.Helper()
	var on []besedka.AccountID
	if !st.Ended() {
		on = st.onStage()
	}
	for _, account := range on {
		if slices.Contains(d.stage[room], account) || slices.Contains(d.hands[room], account) {
			continue
		}
		agreed := d.verb == "ask up" // with what was said before
		if !agreed && (d.acted != account.Participant() || d.verb != "enter" && d.verb != "accept") {
			t.Fatalf("%s was dragged on stage by %s of %s", account, d.verb, d.acted)
		}
	}
	d.stage[room], d.hands[room] = on, st.queue()
}

// checkSeats: everybody sits in one room at most, where the index says.
func (d *drama) checkSeats(t *rapid.T) {
	t.Helper()
	where := map[besedka.ParticipantID]sitting{}
	for _, o := range d.rooms {
		if d.over(o) {
			continue
		}
		for who, seat := range d.state(t, o).seats.rows {
			if other, twice := where[who]; twice {
				t.Fatalf("%s sits in %s and %s", who, other.room, o.id)
			}
			where[who] = sitting{o.id, seat.Credential}
		}
	}
	if !maps.Equal(where, d.service.index.seats) {
		t.Fatalf("index %v, seats %v", d.service.index.seats, where)
	}
}

// usually is how often rooms are played at random on a database.
const usually = "40"

// playing has a test play so often, unless the command line says how often.
func playing(t *testing.T, times string) {
	if often := flag.Lookup("rapid.checks").Value; often.String() == usually {
		_ = often.Set(times)
		t.Cleanup(func() { _ = often.Set(usually) })
	}
}

// A play is long enough for a room to live and end, and shortened for a few
// seconds only when it fails; the command line may say otherwise.
func TestMain(m *testing.M) {
	if err := errors.Join(flag.Set("rapid.steps", "100"), flag.Set("rapid.checks", usually), flag.Set("rapid.shrinktime", "10s")); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// TestRulesHoldInEveryOrderOfEvents plays two rooms at random: everything that
// people, connections, time and crashes can do, in any order.
func TestRulesHoldInEveryOrderOfEvents(t *testing.T) {
	dbtest.EachStore(t, func(t *testing.T, s dbtest.Store) {
		if s.URL == "" {
			playing(t, "240") // there are many commands, and here they cost little
		}
		clock := dbtest.NewClock()
		w := newWorld(t, s.Open(t, clock.Now), clock)
		rapid.Check(t, func(rt *rapid.T) {
			d := newDrama(rt, w)
			rt.Repeat(map[string]func(*rapid.T){
				"": d.check, "enter": d.enterSome, "link": d.bear, "enter too": d.enterSome, "leave": d.leaveSome, "connect": d.connect, "connect too": d.connect,
				"drop": d.drop, "stay": d.stay, "stay too": d.stay, "time": d.pass, "time too": d.pass, "speak": d.speak, "restart": d.restart,
				"open": d.open, "open too": d.open, "block": d.blockSome, "hide": d.hide, "preview": d.preview, "revoke": d.revoke,
				"command": d.command, "command too": d.command, "command also": d.command, "command again": d.command,
				"1": d.command, "2": d.command, "3": d.command, "4": d.command, "5": d.command, "6": d.command, "7": d.command, "8": d.command,
				"9": d.command, "10": d.command, "11": d.command, "12": d.command, "13": d.command, "14": d.command, "15": d.command, "16": d.command,
				"another": d.command, "and another": d.command, "still another": d.command, "one more": d.command,
			})
			for _, o := range d.rooms {
				d.checkLog(rt, o)
				d.facts(o.id)
			}
		})
	})
}
