package room

import (
	"fmt"
	"slices"
	"time"

	"besedka"

	"pgregory.net/rapid"
)

// waysOracle tells again the rules of speaker links, reactions and resetting.
type waysOracle struct {
	reactions bool // of the stage
	links     []*oracleLink
	reacted   map[besedka.AccountID][]time.Time
	reset     time.Time
	bearing   bool // who stands at the door bears a link that may be used
}

type oracleLink struct {
	id, code string
	until    time.Time
	used     besedka.AccountID
	gone     bool
}

// link is that of a code, if there is one to be seen.
func (w *waysOracle) link(code string) *oracleLink {
	i := slices.IndexFunc(w.links, func(l *oracleLink) bool { return l.code == code && !l.gone })
	if i < 0 {
		return nil
	}
	return w.links[i]
}

// actOnWays is act for what these rules are about.
func (o *oracle) actOnWays(verb string, by besedka.AccountID, arg string, now time.Time) string {
	w := &o.ways
	switch verb {
	case "react":
		if o.on(by) && !w.reactions {
			return "reactions_off"
		}
		w.reacted[by] = slices.DeleteFunc(w.reacted[by], func(at time.Time) bool { return now.Sub(at) >= 5*time.Second })
		if len(w.reacted[by]) == 5 {
			return "too_many_reactions"
		}
		w.reacted[by] = append(w.reacted[by], now)
	case "stage reactions":
		w.reactions = arg == "true"
	case "reset":
		if !w.reset.IsZero() && now.Sub(w.reset) < time.Minute {
			return "reset_too_soon"
		}
		w.reset = now
	case "make link":
		live := 0
		for _, l := range w.links {
			l.gone = l.gone || !now.Before(l.until)
			live += int(bit(!l.gone && l.used == ""))
		}
		if live == 20 {
			return "too_many_links"
		}
	case "withdraw link":
		for _, l := range w.links {
			l.gone = l.gone || l.id == arg
		}
	}
	return ""
}

// restartWays forgets what is not rows.
func (o *oracle) restartWays() {
	o.ways.reacted, o.ways.reset = map[besedka.AccountID][]time.Time{}, time.Time{}
}

// enterByLink is entering with a code.
func (o *oracle) enterByLink(a Actor, code string, now time.Time) string {
	acc, l := a.Who.Account(), o.ways.link(code)
	usable := l != nil && l.used == "" && now.Before(l.until) && acc != ""
	o.ways.bearing = usable
	defer func() { o.ways.bearing = false }()
	if code := o.door(a); code != "" {
		return code
	}
	switch {
	case acc == "":
		return "guests_only_listen"
	case o.on(acc), l != nil && l.used == acc:
	case !usable:
		return "speaker_link_invalid"
	}
	if code := o.enter(a, false, now); code != "" || !usable || o.on(acc) {
		return code
	}
	if slices.ContainsFunc(o.stage, func(x besedka.AccountID) bool { return o.blocks(x, acc) }) {
		return "" // they are in the audience, and the link waits
	}
	l.used, o.picked[acc] = acc, true
	o.seats[a.Who].over = false
	o.ascend(acc)
	return ""
}

// makeLink makes a speaker link and remembers it.
func (d *drama) makeLink(a Actor, room besedka.RoomID) error {
	id, code, until, err := d.service.NewSpeakerLink(ctx, room, a)
	if err == nil {
		i := slices.IndexFunc(d.rooms, func(o *oracle) bool { return o.id == room })
		d.rooms[i].ways.links = append(d.rooms[i].ways.links, &oracleLink{id: id, code: code, until: until})
	}
	return err
}

// bear opens a speaker link, be it one of the other room.
func (d *drama) bear(t *rapid.T) {
	o, a := d.pickRoom(t), d.pickActor(t, true)
	codes := []string{"none"}
	for _, room := range d.rooms {
		for _, l := range room.ways.links {
			codes = append(codes, l.code)
		}
	}
	code := rapid.SampledFrom(codes[max(0, len(codes)-4):]).Draw(t, "code")
	d.step(a.Who, "enter")
	want := d.barred(o, a)
	if want == "" {
		want = o.enterByLink(a, code, d.now())
	}
	if want == "" {
		o.beside.cameFrom(a.Who, a.Place)
		for _, other := range d.rooms {
			if other != o {
				other.quit(a.Who, d.now())
			}
		}
	}
	d.expect(t, d.service.EnterBy(ctx, o.id, a, Entry{SpeakerLink: code}), want)
}

// checkWays compares what these rules keep.
func (d *drama) checkWays(t *rapid.T, o *oracle, st *State) {
	t.Helper()
	if st.info.StageReactions != o.ways.reactions {
		t.Fatalf("reactions of the stage: %v", st.info.StageReactions)
	}
	got, want := map[string]besedka.AccountID{}, map[string]besedka.AccountID{}
	for id, l := range st.links.rows {
		got[id] = l.UsedBy
	}
	for _, l := range o.ways.links {
		if !l.gone {
			want[l.id] = l.used
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("after %s by %s, links and who used them: got %v, want %v", d.verb, d.acted, got, want)
	}
}
