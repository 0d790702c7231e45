package room

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"besedka"
	"besedka/db"
	"besedka/db/dbtest"

	"pgregory.net/rapid"
)

// fromElsewhere are the commands that another process can do, to which only those
// are known to be here of whom there are rows.
var fromElsewhere = []string{"title", "hands", "queue rule", "pin", "unpin", "agenda", "move agenda", "chat", "questions", "silence", "silence", "lift",
	"role", "role", "move", "remove", "remove", "undo", "timer", "clear timer", "widen", "keep", "ask", "agree", "refuse", "withdraw", "hand over", "pick",
	"stage reactions", "make link", "withdraw link", "lower of", "lower all", "share", "unshare", "end"}

// another is a service of another process on the same database, as it is after its start.
func (w *world) another() *Service {
	w.t.Helper()
	g := newGate()
	s := New(Deps{DB: w.db, Graph: w.graph, People: everybody, Active: everybody, Gate: g, Airtime: &clockwork{}, Announce: &board{told: map[string]int{}},
		Now: w.clock.Now, Random: rand.Reader, Log: dbtest.Log(w.t), Limits: w.limits})
	g.service = s
	if err := s.Recover(ctx); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// elsewhere has another process do a command and die before it has told anybody. A
// second later this process knows, whether or not it has written meanwhile.
func (d *drama) elsewhere(t *rapid.T) {
	o, verb := d.pickRoom(t), rapid.SampledFrom(fromElsewhere).Draw(t, "verb")
	if len(o.stage) == 0 || verb == "end" && rapid.IntRange(0, 5).Draw(t, "really?") > 0 {
		return
	}
	a := actor(rapid.SampledFrom(o.stage).Draw(t, "mover"))
	if able := slices.DeleteFunc(slices.Clone(o.stage), func(x besedka.AccountID) bool { return !o.moderates(x) }); len(able) > 0 && rapid.IntRange(0, 3).Draw(t, "anybody?") > 0 {
		a = actor(rapid.SampledFrom(able).Draw(t, "moderator"))
	}
	g := aim{room: o.id, target: rapid.SampledFrom(o.stage).Draw(t, "target").Participant(), arg: d.drawArg(t, o, verb)}
	if verb == "remove" || verb == "undo" || verb == "pick" {
		g.target = rapid.SampledFrom(cast).Draw(t, "somebody").Participant()
	}
	d.step(a.Who, verb+" elsewhere")
	before, barred := d.ruling(o), maps.Clone(o.beside.barred)
	want := d.foretell(o, a, verb, g)
	o.beside.barred = barred // which is memory of the process that removes
	here := d.service
	d.service = d.another()
	err := d.perform(a, verb, g)
	d.service = here
	d.expect(t, err, want)
	for _, account := range d.ruling(o) {
		if slices.Contains(before, account) && rapid.Bool().Draw(t, "write at once") {
			o.conclude()
			title := aim{room: o.id, arg: fmt.Sprint("Title ", d.steps)} // another than any before, so that it is written
			d.expect(t, d.perform(actor(account), "title", title), o.act("title", account, "", title.arg, d.now()))
			break
		}
	}
	for _, o := range d.rooms {
		o.conclude()
		o.sweep(d.now())
	}
	d.service.Sweep(ctx)
}

// ruling are those who moderate the room and may see it.
func (d *drama) ruling(o *oracle) []besedka.AccountID {
	return slices.DeleteFunc(slices.Clone(o.stage), func(x besedka.AccountID) bool { return o.ended || !o.moderates(x) || o.door(actor(x)) != "" })
}

// stolen is a database of which another process takes what is about to be written,
// one time in a few: the writer finds that its rows are not what it thought.
type stolen struct {
	rows
	d     *drama
	t     *rapid.T
	times int // less often than a command is tried
}

func (s *stolen) save(ctx context.Context, version int64, w writes) (int64, error) {
	if s.times++; version > 0 && s.times < attempts && rapid.IntRange(0, 4).Draw(s.t, "stolen?") == 0 {
		err := s.d.db.Write(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(`UPDATE rooms SET version = version + 1 WHERE id = $1`, w.info.ID)
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	return s.rows.save(ctx, version, w)
}

// TestRulesHoldBesideAnotherProcess plays two rooms as TestRulesHoldInEveryOrderOfEvents
// does, while other processes command them, die before they tell it, and write
// between any reading and writing.
func TestRulesHoldBesideAnotherProcess(t *testing.T) {
	playing(t, "20")
	dbtest.EachStore(t, func(t *testing.T, s dbtest.Store) {
		clock := dbtest.NewClock()
		w := newWorld(t, s.Open(t, clock.Now), clock)
		rapid.Check(t, func(rt *rapid.T) {
			d := newDrama(rt, w)
			steal := func(act func(*rapid.T)) func(*rapid.T) {
				return func(rt *rapid.T) {
					rows := d.service.rows
					d.service.rows = &stolen{rows: rows, d: d, t: rt}
					act(rt)
					if _, still := d.service.rows.(*stolen); still {
						d.service.rows = rows
					}
				}
			}
			rt.Repeat(map[string]func(*rapid.T){
				"": d.check, "enter": steal(d.enterSome), "link": steal(d.bear), "leave": steal(d.leaveSome), "connect": d.connect, "drop": d.drop, "stay": d.stay, "time": d.pass,
				"open": d.open, "block": steal(d.blockSome), "restart": d.restart, "command": steal(d.command), "command too": steal(d.command), "command also": steal(d.command),
				"elsewhere": d.elsewhere, "elsewhere too": d.elsewhere, "elsewhere also": d.elsewhere,
			})
			for _, o := range d.rooms {
				d.facts(o.id)
			}
		})
	})
}

// TestACommandThatIsAlwaysTooLateMayBeTriedAgain: it is no fault of the server.
func TestACommandThatIsAlwaysTooLateMayBeTriedAgain(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.hosted()
		before := dump(w.service, room)
		mine := w.service.rows
		w.service.rows = late{mine}
		wantCode(t, "title", w.service.SetTitle(ctx, room, actor("host"), "Too late"), db.ErrUnavailable)
		w.service.rows = mine
		if after := dump(w.service, room); after != before {
			t.Errorf("it has changed\n%s\nto\n%s", before, after)
		}
		if err := w.service.SetTitle(ctx, room, actor("host"), "In time"); err != nil {
			t.Error(err)
		}
	})
}

// late is a database in which another process is always faster.
type late struct{ rows }

func (late) save(context.Context, int64, writes) (int64, error) { return 0, errStale }

// TestWhatAnotherProcessTakesIsTakenHereWithinASecond: also of a room to which
// nothing else happens.
func TestWhatAnotherProcessTakesIsTakenHereWithinASecond(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.hosted()
		if err := w.service.SetRole(ctx, room, actor("host"), "anna", besedka.RoleModerator); err != nil {
			t.Fatal(err)
		}
		if err := w.another().Silence(ctx, room, actor("host"), "anna"); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		if g := w.gate.granted(room)["anna"]; g.Forward || !g.Publish {
			t.Errorf("silenced, anna is granted %+v", g)
		}
		if err := w.another().Remove(ctx, room, actor("host"), "boris", "spam", ""); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		if _, granted := w.gate.granted(room)["boris"]; granted || w.role(room, "host") != besedka.RoleHost {
			t.Error("removed, boris is granted")
		}
		if err := w.another().End(ctx, room, actor("host")); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		if n := len(w.gate.granted(room)); n > 0 || w.service.Stats().Rooms > 0 {
			t.Errorf("ended, the room has %d grants", n)
		}
	})
}

// TestWhoIsBroughtUpElsewhereStaysOnStage: for as long as somebody may take to
// reconnect, after which they are taken for gone.
func TestWhoIsBroughtUpElsewhereStaysOnStage(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.hosted()
		there := w.another()
		if err := there.Enter(ctx, room, actor("vera")); err != nil {
			t.Fatal(err)
		}
		there.Connected(room, "vera", actor("vera").Credential, Line{ID: "there"})
		if err := there.RaiseHand(ctx, room, actor("vera"), "", ""); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		if up, err := w.service.InviteToStage(ctx, room, actor("host"), "vera"); err != nil || !up {
			t.Fatalf("up %v, error %v", up, err)
		}
		w.pass(LostFor / 2)
		there.Sweep(ctx)
		if v := w.view(room, "vera"); v.Me.Role == nil || !v.Me.Role.OnStage() {
			t.Errorf("vera is %v here", v.Me.Role)
		}
		if g := there.known(room).sent["vera"]; !g.Publish {
			t.Errorf("there she is granted %+v", g)
		}
	})
}
