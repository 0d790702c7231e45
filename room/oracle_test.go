package room

import (
	"maps"
	"slices"
	"time"

	"besedka"
)

// oracle is a second telling of the rules, as short and plain as can be, to
// compare the service with. Every method says which code the service must
// answer ("" for success) and makes the change.
type oracle struct {
	id       besedka.RoomID
	kind     Kind
	host     besedka.AccountID
	title    string
	setting  Hands
	second   bool
	ended    bool
	stage    []besedka.AccountID                     // in the order of coming
	mods     map[besedka.AccountID]besedka.AccountID // moderator → appointed by
	queue    []besedka.AccountID
	invited  map[besedka.AccountID]bool
	silenced map[besedka.AccountID]bool
	picked   map[besedka.AccountID]bool
	removed  map[besedka.ParticipantID]time.Time
	seats    map[besedka.ParticipantID]*chair
	limits   Limits
	ways     waysOracle
	follows  map[besedka.AccountID][]besedka.AccountID // who follows the key
	empty    time.Time
	headless time.Time
	floor    floorOracle
	beside   besideOracle
	walls    *map[[2]besedka.AccountID]bool // who blocks whom
	sure     bool                           // who commands knows who blocks whom
}

type chair struct {
	cred  besedka.CredentialID
	muted bool
	held  bool
	lost  bool
	over  bool // in overflow
	until time.Time
}

func newOracle(id besedka.RoomID, kind Kind, host besedka.AccountID, now time.Time) *oracle {
	return &oracle{id: id, kind: kind, host: host, setting: HandsEveryone, floor: floorOracle{attribution: OffRecord, rule: QueueFirstCome}, stage: []besedka.AccountID{host},
		mods: map[besedka.AccountID]besedka.AccountID{}, invited: map[besedka.AccountID]bool{}, silenced: map[besedka.AccountID]bool{},
		picked: map[besedka.AccountID]bool{host: true}, removed: map[besedka.ParticipantID]time.Time{},
		limits: DefaultLimits, beside: newBeside(), ways: waysOracle{reacted: map[besedka.AccountID][]time.Time{}},
		seats: map[besedka.ParticipantID]*chair{host.Participant(): {cred: actor(host).Credential, until: now.Add(20 * time.Second)}}}
}

func (o *oracle) on(a besedka.AccountID) bool   { return slices.Contains(o.stage, a) }
func (o *oracle) here(a besedka.AccountID) bool { return o.seats[a.Participant()] != nil }
func (o *oracle) up(a besedka.AccountID) bool   { return slices.Contains(o.queue, a) }

func (o *oracle) moderates(a besedka.AccountID) bool {
	_, mod := o.mods[a]
	return o.here(a) && (mod || o.on(a) && a == o.host)
}

func (o *oracle) role(who besedka.ParticipantID) besedka.Role {
	a := who.Account()
	_, mod := o.mods[a]
	switch {
	case o.seats[who] == nil:
		return ""
	case !o.on(a):
		return besedka.RoleListener
	case a == o.host:
		return besedka.RoleHost
	case mod:
		return besedka.RoleModerator
	}
	return besedka.RoleSpeaker
}

// door is what stands before every command.
func (o *oracle) door(a Actor) string {
	acc := a.Who.Account()
	followed := slices.ContainsFunc(o.follows[acc], o.moderates)
	switch {
	case a.Who == "", a.Who.IsGuest() && a.GuestOf != o.id, !a.Who.IsGuest() && o.shut(acc):
		return "not_found"
	case !a.Who.IsGuest() && o.kind != KindOpen && acc != o.host && !o.here(acc) && !o.picked[acc] && !o.ways.bearing && !(o.kind == KindSocial && followed):
		return "not_found"
	case !o.removed[a.Who].IsZero():
		return "removed_from_room"
	case o.ended:
		return "room_ended"
	}
	return ""
}

func (o *oracle) drop(a besedka.AccountID) {
	out := func(x besedka.AccountID) bool { return x == a }
	o.stage = slices.DeleteFunc(o.stage, out)
	delete(o.mods, a)
	o.lower(a)
	delete(o.invited, a)
	o.floor.gone(a)
}

func (o *oracle) lower(a besedka.AccountID) {
	o.queue = slices.DeleteFunc(o.queue, func(x besedka.AccountID) bool { return x == a })
}

func (o *oracle) ascend(a besedka.AccountID) {
	o.drop(a)
	o.stage = append(o.stage, a)
	o.seats[a.Participant()].muted = false
}

// quit is leaving, for whatever reason.
func (o *oracle) quit(who besedka.ParticipantID, now time.Time) {
	if o.seats[who] == nil {
		return
	}
	delete(o.seats, who)
	o.drop(who.Account())
	if who.Account() == o.host {
		o.inherit()
	}
	o.watch(now)
}

func (o *oracle) inherit() {
	var heir besedka.AccountID
	for _, lost := range []bool{true, false} {
		for _, a := range slices.Backward(o.stage) {
			if _, mod := o.mods[a]; mod && o.here(a) && (lost || !o.seats[a.Participant()].lost) {
				heir = a
			}
		}
	}
	if heir != "" {
		o.crown(heir)
	}
}

func (o *oracle) crown(a besedka.AccountID) {
	o.host = a
	delete(o.mods, a)
	delete(o.silenced, a)
}

func (o *oracle) watch(now time.Time) {
	if len(o.seats) > 0 {
		o.empty = time.Time{}
	} else if o.empty.IsZero() {
		o.empty = now
	}
	if slices.ContainsFunc(o.stage, o.moderates) {
		o.headless = time.Time{}
	} else if o.headless.IsZero() {
		o.headless = now
	}
}

func (o *oracle) end() {
	o.ended = true
	clear(o.beside.shared)
	o.seats, o.queue, o.invited = map[besedka.ParticipantID]*chair{}, nil, map[besedka.AccountID]bool{}
}

// sweep is what time does.
func (o *oracle) sweep(now time.Time) {
	if o.ended {
		return
	}
	var due []besedka.ParticipantID
	for who, c := range o.seats {
		if !c.held && !now.Before(c.until) {
			due = append(due, who)
		}
	}
	for _, who := range due {
		if who.Account() != o.host {
			o.quit(who, now)
		}
	}
	if slices.Contains(due, o.host.Participant()) {
		o.quit(o.host.Participant(), now)
	}
	o.tick(now)
	if !o.empty.IsZero() && now.Sub(o.empty) >= time.Minute || !o.headless.IsZero() && now.Sub(o.headless) >= 3*time.Minute {
		o.end()
	}
}

func (o *oracle) restart(now time.Time) {
	if o.ended {
		return
	}
	o.seats = map[besedka.ParticipantID]*chair{}
	for _, a := range slices.Concat(o.stage, o.queue, slices.Collect(maps.Keys(o.invited))) {
		o.seats[a.Participant()] = &chair{lost: true, until: now.Add(time.Minute)}
	}
	o.empty, o.headless = time.Time{}, time.Time{}
	o.floor.measured, o.floor.pending = nil, nil
	o.beside.forget()
	o.restartWays()
	o.watch(now)
}

// full counts the audience, and how many listen beside it.
func (o *oracle) full() bool { return o.count(false)-len(o.stage) >= o.limits.Listeners }

func (o *oracle) count(over bool) (n int) {
	for _, c := range o.seats {
		if c.over == over {
			n++
		}
	}
	return n
}

func (o *oracle) over(a besedka.AccountID) bool { return o.here(a) && o.seats[a.Participant()].over }

// mayEnter is the door, and whether there is a place behind it.
func (o *oracle) mayEnter(a Actor, overflow bool) string {
	code := o.door(a)
	if code == "" && o.seats[a.Who] == nil && a.Who.Account() != o.host && o.full() && !o.ways.bearing && (!overflow || o.count(true) >= o.limits.Overflow) {
		return "room_full"
	}
	return code
}

func (o *oracle) enter(a Actor, overflow bool, now time.Time) string {
	if code := o.mayEnter(a, overflow); code != "" {
		return code
	}
	c := o.seats[a.Who]
	if c == nil {
		c = &chair{cred: a.Credential, until: now.Add(20 * time.Second), over: o.full() && !o.ways.bearing && a.Who.Account() != o.host}
		o.seats[a.Who] = c
		acc := a.Who.Account()
		switch {
		case a.Who.IsGuest(), c.over:
		case acc == o.host:
			o.ascend(acc)
		case !o.second:
			o.second = true
			if !o.ways.bearing {
				o.ascend(acc)
			}
		}
	} else if c.cred != "" && c.cred != a.Credential {
		c.held, c.lost, c.until = false, false, now.Add(20*time.Second)
	}
	c.cred = a.Credential
	c.over = c.over && o.full()
	if !c.held && c.until.Before(now.Add(20*time.Second)) {
		c.until = now.Add(20 * time.Second)
	}
	o.watch(now)
	return ""
}

// governs is who may act against whom.
func (o *oracle) governs(by, target besedka.AccountID) string {
	appointer, mod := o.mods[target]
	switch {
	case !o.moderates(by):
		return "moderators_only"
	case by == target:
		return "not_yourself"
	case target == o.host:
		return "host_protected"
	case mod && by != o.host && appointer != by:
		return "not_your_moderator"
	}
	return ""
}

// act is every command of an account, to be done by somebody whom the door let in.
func (o *oracle) act(verb string, by besedka.AccountID, whom besedka.ParticipantID, arg string, now time.Time) string {
	needsSeat := []string{"raise", "lower", "accept", "decline", "mute", "unmute", "role", "move", "hand over", "accept heir", "decline heir", "pick",
		"ask", "agree", "refuse", "withdraw", "react", "share"}
	target := whom.Account()
	if verb == "move" && arg == long {
		return "note_invalid"
	}
	if slices.Contains(needsSeat, verb) {
		if !o.here(by) {
			return "not_in_room"
		}
		if o.over(by) {
			return "in_overflow"
		}
	} else if !o.moderates(by) {
		return "moderators_only"
	}
	switch verb {
	case "raise":
		return o.raise(by, arg)
	case "lower":
		o.lower(by)
	case "lower of":
		o.lower(target)
	case "lower all":
		o.queue = nil
	case "title":
		if arg == long {
			return "title_invalid"
		}
		o.title = arg
	case "hands":
		if arg == "nobody" {
			return "hands_invalid"
		}
		o.setting = Hands(arg)
	case "invite", "ask up":
		return o.bringUp(by, target, arg == "agreed")
	case "accept":
		if o.on(by) {
			return ""
		} else if !o.invited[by] {
			return "not_invited"
		}
		o.ascend(by)
	case "decline":
		delete(o.invited, by)
	case "mute", "unmute":
		if !o.on(by) {
			return "not_on_stage"
		}
		o.seats[by.Participant()].muted = verb == "mute"
	case "mute other":
		if !o.on(target) || !o.here(target) {
			return "not_on_stage"
		}
		o.seats[target.Participant()].muted = true
	case "mute all":
		for _, a := range o.stage {
			o.seats[a.Participant()].muted = o.seats[a.Participant()].muted || a != by
		}
	case "silence", "lift", "remove", "undo":
		return o.power(verb, by, whom, arg, now)
	case "role":
		if arg == "speaker" && o.moderates(by) && o.unsureOf(by, target) {
			return "blocked_on_stage"
		}
		return o.setRole(by, target, besedka.Role(arg), now)
	case "move":
		return o.setRole(by, target, besedka.RoleListener, now)
	case "hand over":
		return o.handOver(by, target)
	case "pick":
		return o.pick(by, target)
	case "end":
		o.end()
	default:
		if code := o.actOnWays(verb, by, arg, now); code != "" {
			return code
		}
		if code := o.actBeside(verb, by, arg, now); code != "" {
			return code
		}
		return o.actOnFloor(verb, by, target, arg, now)
	}
	return ""
}

func (o *oracle) raise(by besedka.AccountID, group string) string {
	switch {
	case o.on(by):
		return "already_on_stage"
	case group == long:
		return "group_invalid"
	case o.up(by):
		o.floor.speakFor(by, group)
	case o.setting == HandsNew && o.floor.airtime(by) >= time.Second, o.setting == HandsOff, o.setting == HandsFollowed && !slices.ContainsFunc(o.follows[by], o.on):
		return "hands_closed"
	default:
		o.queue = append(o.queue, by)
		delete(o.floor.groups, by)
		delete(o.floor.lots, by)
		o.floor.speakFor(by, group)
	}
	return ""
}

// bringUp is inviting somebody; agreed is that they have said yes before.
func (o *oracle) bringUp(by, target besedka.AccountID, agreed bool) string {
	switch {
	case o.unsureOf(by, target):
		return "blocked_on_stage"
	case !o.here(target), o.over(target):
		return "not_in_room"
	case o.on(target):
	case o.up(target):
		o.serve(target)
	case agreed:
		o.ascend(target)
	default:
		o.invited[target] = true
	}
	return ""
}

func (o *oracle) power(verb string, by besedka.AccountID, whom besedka.ParticipantID, reason string, now time.Time) string {
	target := whom.Account()
	if verb == "undo" {
		at := o.removed[whom]
		if !at.IsZero() && now.Sub(at) > 30*time.Second {
			return "undo_too_late"
		}
		delete(o.removed, whom)
		delete(o.beside.barred, whom)
		return ""
	}
	if code := o.governs(by, target); code != "" {
		return code
	}
	switch {
	case verb == "lift":
		delete(o.silenced, target)
	case verb == "remove" && reason != "noise":
		return "reason_invalid"
	case verb == "remove":
		o.beside.bar(whom)
		delete(o.beside.shared, target)
		if o.removed[whom].IsZero() {
			o.removed[whom] = now
			o.quit(whom, now)
		}
	case !o.here(target) || !o.on(target):
		return "not_on_stage"
	default:
		o.silenced[target] = true
	}
	return ""
}

func (o *oracle) handOver(by, target besedka.AccountID) string {
	switch {
	case by != o.host:
		return "host_only"
	case !o.here(target) || !o.on(target):
		return "not_on_stage"
	case by != target:
		o.mods[by] = ""
		o.crown(target)
	}
	return ""
}

func (o *oracle) pick(by, target besedka.AccountID) string {
	switch {
	case o.kind != KindOpen && !o.moderates(by):
		return "moderators_only"
	case !o.removed[target.Participant()].IsZero():
		return "removed_from_room"
	case o.blocks(target, by):
		return ""
	}
	o.picked[target] = true
	return ""
}

func (o *oracle) setRole(by, target besedka.AccountID, want besedka.Role, now time.Time) string {
	is := o.role(target.Participant())
	switch {
	case by != target && !o.moderates(by):
		return "moderators_only"
	case is == "", o.over(target):
		return "not_in_room"
	case want == besedka.RoleHost:
		return "role_invalid"
	case is == want:
		return ""
	case is == besedka.RoleHost && by == target:
		return "hand_over_first"
	case is == besedka.RoleHost:
		return "host_protected"
	case want == besedka.RoleModerator && !o.moderates(by), want == besedka.RoleSpeaker && is == besedka.RoleListener && !o.moderates(by):
		return "moderators_only"
	case want == besedka.RoleModerator && is == besedka.RoleListener:
		return "not_a_speaker"
	case want == besedka.RoleSpeaker && is == besedka.RoleListener && !o.up(target):
		return "consent_needed"
	case want != besedka.RoleModerator && is == besedka.RoleModerator && by != target:
		if code := o.governs(by, target); code != "" {
			return code
		}
	}
	switch want {
	case besedka.RoleModerator:
		o.mods[target] = by
	case besedka.RoleListener:
		o.drop(target)
	case besedka.RoleSpeaker:
		if is == besedka.RoleListener {
			o.serve(target)
		}
		delete(o.mods, target)
	}
	o.watch(now)
	return ""
}
