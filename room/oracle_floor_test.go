package room

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"besedka"

	"pgregory.net/rapid"
)

// floorOracle tells again, as plainly as can be, the rules of visibility,
// attribution, the order of hands, turns and airtime.
type floorOracle struct {
	widenTo Kind
	widenAt time.Time

	attribution, asked Attribution
	agreed             []besedka.AccountID

	rule   QueueRule
	groups map[besedka.AccountID]string
	lots   map[besedka.AccountID]int64 // as drawn: not ours to foretell
	served []string                    // the groups that were served, the latest last

	turn     besedka.AccountID
	turnOver time.Time

	kept, measured, pending map[besedka.AccountID]time.Duration
}

func (f *floorOracle) airtime(a besedka.AccountID) time.Duration { return f.kept[a] + f.measured[a] }

func (f *floorOracle) speakFor(a besedka.AccountID, group string) {
	if f.groups == nil {
		f.groups = map[besedka.AccountID]string{}
	}
	if group != "" || f.groups[a] == "" {
		f.groups[a] = group
	}
}

// gone is somebody who leaves the stage or the room.
func (f *floorOracle) gone(a besedka.AccountID) {
	if f.turn == a {
		f.turn = ""
	}
}

// serve brings somebody up whose hand is up.
func (o *oracle) serve(a besedka.AccountID) {
	group := o.floor.groups[a]
	o.ascend(a)
	o.floor.served = append(slices.DeleteFunc(o.floor.served, func(g string) bool { return g == group }), group)
}

// ordered is the queue in the order of the rule.
func (o *oracle) ordered() []besedka.AccountID {
	f := &o.floor
	list := slices.Clone(o.queue)
	by := func(key func(a besedka.AccountID) int64) []besedka.AccountID {
		slices.SortStableFunc(list, func(a, b besedka.AccountID) int { return int(max(-1, min(1, key(a)-key(b)))) })
		return list
	}
	switch f.rule {
	case QueueLeastAirtime:
		return by(func(a besedka.AccountID) int64 { return int64(f.airtime(a)) })
	case QueueFirstTimers:
		return by(func(a besedka.AccountID) int64 { return bit(f.airtime(a) >= time.Second) })
	case QueueLot:
		return by(func(a besedka.AccountID) int64 { return f.lots[a] })
	case QueueAlternate:
		served := slices.Clone(f.served)
		var turns []besedka.AccountID
		for len(list) > 0 {
			next := slices.MinFunc(list, func(a, b besedka.AccountID) int {
				return slices.Index(served, f.groups[a]) - slices.Index(served, f.groups[b]) // -1: never
			})
			group := f.groups[next]
			served = append(slices.DeleteFunc(served, func(g string) bool { return g == group }), group)
			turns = append(turns, next)
			list = slices.DeleteFunc(list, func(a besedka.AccountID) bool { return a == next })
		}
		return turns
	}
	return list
}

// conclude changes the attribution when nobody on stage has yet to agree.
func (o *oracle) conclude() {
	f := &o.floor
	waits := slices.ContainsFunc(o.stage, func(a besedka.AccountID) bool { return !slices.Contains(f.agreed, a) })
	if f.asked != "" && len(o.stage) > 0 && !waits {
		f.attribution, f.asked, f.agreed = f.asked, "", nil
	}
}

// tick is what time does to the floor.
func (o *oracle) tick(now time.Time) {
	f := &o.floor
	if f.kept == nil {
		f.kept = map[besedka.AccountID]time.Duration{}
	}
	if f.measured == nil {
		f.measured = map[besedka.AccountID]time.Duration{}
	}
	for a, d := range f.pending {
		f.measured[a] += d
	}
	f.pending = nil
	keep := false
	if f.widenTo != "" && !now.Before(f.widenAt) {
		o.kind, f.widenTo, keep = f.widenTo, "", true
	}
	if f.turn != "" && !now.Before(f.turnOver) {
		f.turn, keep = "", true
	}
	for a, d := range f.measured {
		keep = keep || d >= 30*time.Second || f.kept[a] < time.Second && f.airtime(a) >= time.Second
	}
	if keep {
		for a, d := range f.measured {
			f.kept[a] += d
		}
		clear(f.measured)
	}
}

// actOnFloor is every command of the floor, to be done by somebody who may
// speak up: who moderates, or, for the last four, who has a seat.
func (o *oracle) actOnFloor(verb string, by, target besedka.AccountID, arg string, now time.Time) string {
	f := &o.floor
	kinds := []Kind{KindClosed, KindSocial, KindOpen}
	switch verb {
	case "widen":
		if arg == "secret" {
			return "kind_invalid"
		}
		if slices.Index(kinds, Kind(arg)) <= slices.Index(kinds, o.kind) {
			return "only_wider"
		}
		if f.widenTo != Kind(arg) {
			f.widenTo, f.widenAt = Kind(arg), now.Add(5*time.Second)
		}
	case "keep":
		f.widenTo = ""
	case "queue rule":
		if arg == "loudest" {
			return "queue_rule_invalid"
		}
		f.rule = QueueRule(arg)
	case "next":
		n, _ := strconv.Atoi(arg)
		if n < 1 || n > 10 {
			return "count_invalid"
		}
		return o.next(by, n)
	case "timer":
		seconds, _ := strconv.Atoi(arg)
		switch {
		case seconds%60 != 0:
			return "timer_invalid"
		case !o.on(target):
			return "not_on_stage"
		}
		f.turn, f.turnOver = target, now.Add(time.Duration(seconds)*time.Second)
	case "clear timer":
		f.turn = ""
	case "ask", "withdraw":
		if by != o.host {
			return "host_only"
		}
		switch to := Attribution(arg); {
		case to == "rumour":
			return "attribution_invalid"
		case verb == "withdraw" || to == f.attribution:
			f.asked, f.agreed = "", nil
		case to != f.asked:
			f.asked, f.agreed = to, []besedka.AccountID{by}
		}
	case "agree", "refuse":
		switch {
		case !o.on(by):
			return "not_on_stage"
		case verb == "refuse":
			f.asked, f.agreed = "", nil
		case f.asked == "":
			return "nothing_asked"
		default:
			f.agreed = append(f.agreed, by)
		}
	}
	return ""
}

// next serves n of the queue, but those whom one must be sure to bring up.
func (o *oracle) next(by besedka.AccountID, n int) string {
	stage := slices.Clone(o.stage) // whoever comes up now has yet to be asked
	passed := func(a besedka.AccountID) bool {
		return !o.sure && slices.ContainsFunc(stage, func(x besedka.AccountID) bool { return x != by && o.blocks(x, a) })
	}
	if len(o.queue) > 0 && !slices.ContainsFunc(o.queue, func(a besedka.AccountID) bool { return !passed(a) }) {
		return "blocked_on_stage"
	}
	for ; n > 0; n-- {
		list := slices.DeleteFunc(o.ordered(), passed)
		if len(list) == 0 {
			break
		}
		o.serve(list[0])
	}
	return ""
}

// speak lets somebody on stage be heard, which the next sweep takes over.
func (d *drama) speak(t *rapid.T) {
	o := d.pickRoom(t)
	d.step("", "speak")
	if o.ended || len(o.stage) == 0 {
		return
	}
	who := rapid.SampledFrom(o.stage).Draw(t, "voice")
	long := rapid.SampledFrom([]time.Duration{400 * time.Millisecond, 900 * time.Millisecond, 20 * time.Second, 40 * time.Second}).Draw(t, "speech")
	d.airtime.hear(o.id, d.state(t, o).voices.rows[who].CSRC, long)
	if o.floor.pending == nil {
		o.floor.pending = map[besedka.AccountID]time.Duration{}
	}
	o.floor.pending[who] += long
}

func (d *drama) checkFloor(t *rapid.T, o *oracle, st *State) {
	t.Helper()
	f := &o.floor
	for _, account := range o.queue {
		if _, drawn := f.lots[account]; !drawn {
			if f.lots == nil {
				f.lots = map[besedka.AccountID]int64{}
			}
			f.lots[account] = st.hands.rows[account].Lot
		}
	}
	o.conclude()
	same := func(what string, got, want any) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("after %s by %s, %s: got %v, want %v", d.verb, d.acted, what, got, want)
		}
	}
	same("queue by "+string(f.rule), st.queue(), o.ordered())
	same("kind, and what it becomes", []any{st.info.Kind, st.info.Widening.To}, []any{o.kind, f.widenTo})
	same("attribution, and what is asked", []any{st.info.Attribution, st.info.Asked.To}, []any{f.attribution, f.asked})
	same("rule of the queue", st.info.Queue, f.rule)
	same("turn", st.info.Timer.Account, f.turn)
	for _, account := range cast {
		same("airtime of "+string(account), st.airtime(account), f.airtime(account))
	}
	if f.asked != "" && len(st.awaited()) == 0 && len(o.stage) > 0 {
		t.Fatalf("%s is asked of nobody", f.asked)
	}
	if who := st.info.Timer.Account; who != "" && !st.roleOf(who).OnStage() {
		t.Fatalf("the turn of %s, who is %q", who, st.roleOf(who))
	}
}
