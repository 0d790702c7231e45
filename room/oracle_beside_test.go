package room

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"besedka"

	"pgregory.net/rapid"
)

// besideOracle tells again, as plainly as can be, the rules of what is beside the
// voice, of blocks, of hidden rooms and of guests from the places of the removed.
type besideOracle struct {
	pin, pinTitle string
	pinBy         besedka.AccountID
	pins          int64
	pinned        time.Time // or unpinned

	agenda string
	items  []agendaLine
	now    int // from 1

	chat      besedka.ChatSetting
	questions besedka.QuestionSetting

	came   map[besedka.ParticipantID][]string // from where
	barred map[besedka.ParticipantID][]string
	hidden map[besedka.AccountID]bool   // from whose hallway
	shared map[besedka.AccountID]string // by whom, with what comment
}

type agendaLine struct {
	text  string
	began time.Time
}

func newBeside() besideOracle {
	b := besideOracle{chat: besedka.ChatSetting{Mode: besedka.ChatEveryone}, questions: besedka.QuestionSetting{On: true}, hidden: map[besedka.AccountID]bool{},
		shared: map[besedka.AccountID]string{}}
	b.forget()
	return b
}

// forget is what a restart does.
func (b *besideOracle) forget() {
	b.came, b.barred = map[besedka.ParticipantID][]string{}, map[besedka.ParticipantID][]string{}
}

// actBeside is act for what is beside the voice, to be done by a moderator.
func (o *oracle) actBeside(verb string, by besedka.AccountID, arg string, now time.Time) string {
	b := &o.beside
	switch verb {
	case "share": // by anybody inside
		if arg == long {
			return "comment_invalid"
		}
		b.shared[by] = arg
	case "pin":
		switch {
		case !strings.HasPrefix(arg, "http"):
			return "link_invalid"
		case arg == b.pin:
		case !b.pinned.IsZero() && now.Sub(b.pinned) < 2*time.Second:
			return "too_many_requests"
		default:
			b.pin, b.pinTitle, b.pinBy, b.pinned = arg, "", by, now
			b.pins++
		}
	case "unpin":
		if b.pin != "" {
			b.pin, b.pinTitle, b.pinBy, b.pinned = "", "", "", now
		}
	case "agenda":
		return b.setAgenda(arg)
	case "move agenda":
		return b.moveAgenda(arg, now)
	case "chat":
		mode, slow := chatArg(arg)
		set := b.chat
		if mode != nil {
			set.Mode = *mode
		}
		if slow != nil {
			set.SlowSeconds = *slow
		}
		if set.Mode == "party" || set.SlowSeconds < 0 || set.SlowSeconds > 60 {
			return "chat_setting_invalid"
		}
		b.chat = set
	case "questions":
		on, anonymous := questionsArg(arg)
		if on != nil {
			b.questions.On = *on
		}
		if anonymous != nil {
			b.questions.Anonymous = *anonymous
		}
	}
	return ""
}

func (b *besideOracle) setAgenda(text string) string {
	if len(text) > 4000 {
		return "agenda_invalid"
	}
	if text == b.agenda {
		return ""
	}
	old, marked := b.items, b.now
	b.agenda, b.items, b.now = text, nil, 0
	for line := range strings.Lines(text) {
		words, item := strings.CutPrefix(strings.TrimSpace(line), "- ")
		if !item {
			continue
		}
		one := agendaLine{text: words}
		if i := slices.IndexFunc(old, func(was agendaLine) bool { return was.text == words }); i >= 0 {
			one.began, old[i].text = old[i].began, ""
			if i == marked-1 {
				b.now = len(b.items) + 1
			}
		}
		b.items = append(b.items, one)
	}
	return ""
}

func (b *besideOracle) moveAgenda(arg string, now time.Time) string {
	item, text := agendaArg(arg)
	if item == nil {
		b.now = 0
		return ""
	}
	there := *item >= 0 && *item < len(b.items)
	switch {
	case text != "" && (!there || b.items[*item].text != text):
		return "agenda_changed"
	case !there:
		return "agenda_item_invalid"
	}
	if b.items[*item].began.IsZero() {
		b.items[*item].began = now
	}
	b.now = *item + 1
	return ""
}

// bars says whether guests from a place are refused.
func (b *besideOracle) bars(place string) bool {
	for _, places := range b.barred {
		if place != "" && slices.Contains(places, place) {
			return true
		}
	}
	return false
}

func (b *besideOracle) cameFrom(who besedka.ParticipantID, place string) {
	if place != "" && !slices.Contains(b.came[who], place) {
		b.came[who] = append(b.came[who], place)
	}
}

func (b *besideOracle) bar(who besedka.ParticipantID) {
	if b.barred[who] == nil && len(b.came[who]) > 0 {
		b.barred[who] = slices.Clone(b.came[who])
	}
}

// blocks says whether somebody blocks another.
func (o *oracle) blocks(by, target besedka.AccountID) bool {
	return (*o.walls)[[2]besedka.AccountID{by, target}]
}

// shut says whether somebody who hosts or moderates the room blocks the account.
func (o *oracle) shut(a besedka.AccountID) bool {
	if a == o.host || o.here(a) {
		return false
	}
	for _, other := range cast {
		_, mod := o.mods[other]
		if (mod || other == o.host) && o.blocks(other, a) {
			return true
		}
	}
	return false
}

// unsure says whether a moderator must be sure to bring somebody up.
func (o *oracle) unsure(by, target besedka.AccountID) bool {
	return !o.sure && slices.ContainsFunc(o.stage, func(x besedka.AccountID) bool { return x != by && o.blocks(x, target) })
}

// unsureOf says so of somebody who listens.
func (o *oracle) unsureOf(by, target besedka.AccountID) bool {
	return o.role(target.Participant()) == besedka.RoleListener && o.unsure(by, target)
}

// unseen says whether the viewer is not shown somebody.
func (o *oracle) unseen(viewer, other besedka.AccountID) bool {
	return o.blocks(other, viewer) && !o.moderates(viewer)
}

// block sends out whom the blocker need not meet.
func (o *oracle) block(by, target besedka.AccountID, now time.Time) {
	appointer, mod := o.mods[target]
	if target != o.host && (by == o.host || o.moderates(by) && (!mod || appointer == by)) {
		o.quit(target.Participant(), now)
		delete(o.beside.shared, target)
	}
}

// blockSome has somebody block another, or no longer.
func (d *drama) blockSome(t *rapid.T) {
	by, target := rapid.SampledFrom(cast).Draw(t, "by"), rapid.SampledFrom(cast).Draw(t, "target")
	if by == target {
		return
	}
	on := rapid.IntRange(0, 2).Draw(t, "block") == 0 && len(d.walls) < 4
	d.step(by.Participant(), fmt.Sprint("block ", target, " ", on))
	delete(d.walls, [2]besedka.AccountID{by, target})
	if on {
		d.walls[[2]besedka.AccountID{by, target}] = true
		for _, o := range d.rooms {
			o.block(by, target, d.now())
		}
	}
	d.block(by, target, on)
}

// hide takes a room out of somebody's hallway, or puts it back.
func (d *drama) hide(t *rapid.T) {
	o, a := d.pickRoom(t), d.pickActor(t, true)
	on := rapid.Bool().Draw(t, "hide")
	d.step(a.Who, fmt.Sprint("hide ", on))
	want := o.door(a)
	switch {
	case a.Who.IsGuest():
		want = "guests_only_listen"
	case !on:
		want = ""
	case want == "removed_from_room":
		want = "not_found"
	}
	if want == "" {
		o.beside.hidden[a.Who.Account()] = on
	}
	d.expect(t, d.service.SetHidden(ctx, o.id, a, on), want)
}

// preview is what the page of a pin, or of one before it, is called.
func (d *drama) preview(t *rapid.T) {
	o := d.pickRoom(t)
	b := &o.beside
	number := b.pins - rapid.Int64Range(0, 1).Draw(t, "before")
	d.step("", "preview")
	if !o.ended && b.pin != "" && number == b.pins {
		b.pinTitle = "Tea"
	}
	if number > 0 {
		d.expect(t, d.service.previewed(ctx, preview{room: o.id, number: number}, "Tea"), "")
	}
}

// revoke ends what somebody has signed in with.
func (d *drama) revoke(t *rapid.T) {
	a := d.pickActor(t, false)
	d.step(a.Who, "revoke")
	for _, o := range d.rooms {
		if c := o.seats[a.Who]; c != nil && c.cred == a.Credential {
			o.quit(a.Who, d.now())
		}
	}
	d.service.LeaveCredential(ctx, a.Credential)
}

// checkBeside compares what these rules keep.
func (d *drama) checkBeside(t *rapid.T, o *oracle, st *State) {
	t.Helper()
	same := func(what string, got, want any) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("after %s by %s, %s: got %v, want %v", d.verb, d.acted, what, got, want)
		}
	}
	b := &o.beside
	same("pin", []any{st.text.Pin.URL, st.text.Pin.Title, st.text.Pin.By, st.text.Pins}, []any{b.pin, b.pinTitle, b.pinBy, b.pins})
	shared := map[besedka.AccountID]string{}
	for account, one := range st.shares.rows {
		shared[account] = one.Comment
	}
	same("shares", shared, b.shared)
	same("chat and questions", []any{st.text.Chat, st.text.Questions}, []any{b.chat, b.questions})
	same("agenda", []any{st.text.Agenda, st.text.AgendaNow}, []any{b.agenda, b.now})
	if agenda := st.text.agenda(); agenda != nil {
		same("items", len(agenda.Items), len(b.items))
		for i, item := range agenda.Items {
			began := time.Time{}
			if item.StartedAt != nil {
				began = *item.StartedAt
			}
			same("item", []any{item.Text, began.UTC()}, []any{b.items[i].text, b.items[i].began.UTC()})
		}
	}
}

// checkDoors: who may come in finds the room in every way, and nobody else does,
// the removed and whom its moderators block among them. Each step asks for one.
func (d *drama) checkDoors(t *rapid.T) {
	t.Helper()
	d.steps++
	viewer, other := cast[d.steps%len(cast)], cast[d.steps/len(cast)%len(cast)]
	a := actor(viewer)
	cards, err := d.service.Hallway(ctx, viewer)
	if err != nil {
		t.Fatal(err)
	}
	where := besedka.RoomID("")
	for _, o := range d.rooms {
		if d.over(o) && d.steps%20 > 0 {
			continue
		}
		door := o.door(a)
		seen := door
		if door == "removed_from_room" {
			seen = "not_found"
		}
		d.is(t, "sees", code(d.service.See(ctx, o.id, a)), seen)
		_, err := d.service.View(ctx, o.id, a)
		d.is(t, "looks", code(err), seen)
		listed := slices.ContainsFunc(cards, func(c Card) bool { return c.ID == o.id })
		d.is(t, "finds in the hallway", listed, door == "" && !o.beside.hidden[viewer])
		may := door
		if door == "" {
			may = o.governs(viewer, other)
		}
		d.is(t, "governs "+string(other), code(d.service.Governs(ctx, o.id, viewer, other)), may)
		if o.here(other) && !o.over(other) && door == "" && !o.unseen(viewer, other) {
			where = o.id
		}
		in, err := d.service.Inside(ctx, o.id, viewer)
		d.is(t, "is inside", code(err), door)
		if err == nil {
			d.is(t, "is inside as", in.Role, o.role(viewer.Participant()))
		}
		ended, err := d.service.Ended(ctx, o.id)
		d.is(t, "knows the end", []any{ended, code(err)}, []any{o.ended, ""})
	}
	found := besedka.RoomID("")
	if ref := d.service.Where(ctx, a, other); ref != nil {
		found = ref.ID
	}
	d.is(t, "is told where "+string(other)+" is", found, where)
}

// is compares what is true of the one who looks.
func (d *drama) is(t *rapid.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("after %s by %s, %s %s: got %v, want %v", d.verb, d.acted, cast[d.steps%len(cast)], what, got, want)
	}
}

// checkVeil: events name to nobody who is in the room anybody whom they are not shown.
func (d *drama) checkVeil(t *rapid.T, o *oracle) {
	t.Helper()
	unseen := d.service.Unseen(ctx, o.id, cast)
	for who := range o.seats {
		var got, want []besedka.AccountID
		if unseen != nil {
			got = unseen(who)
			slices.Sort(got)
		}
		for _, other := range cast {
			if !who.IsGuest() && o.unseen(who.Account(), other) {
				want = append(want, other)
			}
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("after %s by %s, events hide %v from %s: want %v", d.verb, d.acted, got, who, want)
		}
	}
}

// checkLog: whom moderators met is told to moderators only, and nobody is told of
// somebody whom they are not shown.
func (d *drama) checkLog(t *rapid.T, o *oracle) {
	t.Helper()
	for who := range o.seats {
		a := Actor{Who: who}
		if who.IsGuest() {
			a.GuestOf = o.id
		}
		page, err := d.service.Log(ctx, o.id, a, "")
		switch account := who.Account(); {
		case who.IsGuest():
			d.expect(t, err, "guests_only_listen")
		case o.over(account):
			d.expect(t, err, "in_overflow")
		case err != nil:
			t.Fatal(err)
		default:
			for _, e := range page.Entries {
				if e.Target != nil && !o.moderates(account) || e.By != nil && o.unseen(account, e.By.ID) {
					t.Fatalf("%s, who is %s, reads %+v", who, o.role(who), e)
				}
			}
		}
	}
}

// unshare takes a share back, which needs no seat.
func (o *oracle) unshare(a Actor) string {
	account := a.Who.Account()
	if _, shared := o.beside.shared[account]; shared {
		delete(o.beside.shared, account)
		return ""
	}
	if code := o.door(a); code != "removed_from_room" {
		return code
	}
	return "not_found"
}
