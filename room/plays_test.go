package room

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"besedka"

	"pgregory.net/rapid"
)

// aim is what a command is given: whom it is about, and something to set.
type aim struct {
	room   besedka.RoomID
	target besedka.ParticipantID
	arg    string
}

func (g aim) account() besedka.AccountID { return g.target.Account() }

// played is a command of the Service as the random plays know it. What comes of
// it is for the oracle to say.
type played struct {
	method string
	often  int  // how often it is drawn; 0 is once
	own    bool // anybody with a seat may, and not moderators only
	args   []string
	do     func(s *Service, a Actor, g aim) error
}

var long = strings.Repeat("x", 300)

// plays are all commands. TestThePlaysKnowEveryCommand fails when one is missing.
var plays = map[string]played{
	"raise": {"RaiseHand", 3, true, []string{"", "", "tenants", "owners", long}, func(s *Service, a Actor, g aim) error {
		return s.RaiseHand(ctx, g.room, a, "", g.arg)
	}},
	"lower": {"LowerHand", 1, true, nil, func(s *Service, a Actor, g aim) error { return s.LowerHand(ctx, g.room, a) }},
	"lower of": {"LowerHandOf", 1, false, nil, func(s *Service, a Actor, g aim) error {
		return s.LowerHandOf(ctx, g.room, a, g.account())
	}},
	"lower all": {"LowerAllHands", 1, false, nil, func(s *Service, a Actor, g aim) error { return s.LowerAllHands(ctx, g.room, a) }},
	"title": {"SetTitle", 1, false, []string{"", "Morning", "Evening", long}, func(s *Service, a Actor, g aim) error {
		return s.SetTitle(ctx, g.room, a, g.arg)
	}},
	"hands": {"SetHands", 1, false, []string{"everyone", "everyone", "followed", "off", "not_spoken", "nobody"}, func(s *Service, a Actor, g aim) error {
		return s.SetHands(ctx, g.room, a, Hands(g.arg))
	}},
	"invite": {"InviteToStage", 2, false, nil, func(s *Service, a Actor, g aim) error {
		_, err := s.InviteToStage(ctx, g.room, a, g.account())
		return err
	}},
	"ask up": {"AskUp", 1, false, []string{"", "agreed"}, func(s *Service, a Actor, g aim) error {
		_, err := s.AskUp(ctx, g.room, a.Who.Account(), g.account(), g.arg == "agreed")
		return err
	}},
	"accept":     {"AcceptStage", 2, true, nil, func(s *Service, a Actor, g aim) error { return s.AcceptStage(ctx, g.room, a) }},
	"decline":    {"DeclineStage", 1, true, nil, func(s *Service, a Actor, g aim) error { return s.DeclineStage(ctx, g.room, a) }},
	"mute":       {"Mute", 1, true, nil, func(s *Service, a Actor, g aim) error { return s.Mute(ctx, g.room, a) }},
	"unmute":     {"Unmute", 1, true, nil, func(s *Service, a Actor, g aim) error { return s.Unmute(ctx, g.room, a) }},
	"mute other": {"MuteOther", 1, false, nil, func(s *Service, a Actor, g aim) error { return s.MuteOther(ctx, g.room, a, g.account()) }},
	"mute all":   {"MuteAll", 1, false, nil, func(s *Service, a Actor, g aim) error { return s.MuteAll(ctx, g.room, a) }},
	"silence":    {"Silence", 1, false, nil, func(s *Service, a Actor, g aim) error { return s.Silence(ctx, g.room, a, g.account()) }},
	"lift":       {"LiftSilence", 1, false, nil, func(s *Service, a Actor, g aim) error { return s.LiftSilence(ctx, g.room, a, g.account()) }},
	"remove": {"Remove", 1, false, []string{"noise", "noise", "noise", "dislike"}, func(s *Service, a Actor, g aim) error {
		return s.Remove(ctx, g.room, a, g.target, g.arg, "")
	}},
	"undo": {"UndoRemoval", 1, false, nil, func(s *Service, a Actor, g aim) error { return s.UndoRemoval(ctx, g.room, a, g.target) }},
	"role": {"SetRole", 3, true, []string{"moderator", "moderator", "speaker", "listener", "host"}, func(s *Service, a Actor, g aim) error {
		return s.SetRole(ctx, g.room, a, g.account(), besedka.Role(g.arg))
	}},
	"move": {"MoveToAudience", 1, true, []string{"", "turns", long}, func(s *Service, a Actor, g aim) error {
		return s.MoveToAudience(ctx, g.room, a, g.account(), g.arg)
	}},
	"hand over":    {"HandOver", 1, false, nil, func(s *Service, a Actor, g aim) error { return s.HandOver(ctx, g.room, a, g.account()) }},
	"pick":         {"Pick", 1, false, nil, func(s *Service, a Actor, g aim) error { return s.Pick(ctx, g.room, a, g.account()) }},
	"end":          {"End", 1, false, nil, func(s *Service, a Actor, g aim) error { return s.End(ctx, g.room, a) }},
	"accept heir":  {"AcceptHeir", 1, true, nil, func(s *Service, a Actor, g aim) error { return s.AcceptHeir(ctx, g.room, a) }},
	"decline heir": {"DeclineHeir", 1, true, nil, func(s *Service, a Actor, g aim) error { return s.DeclineHeir(ctx, g.room, a) }},
	"widen": {"Widen", 1, false, []string{"closed", "social", "open", "secret"}, func(s *Service, a Actor, g aim) error {
		return s.Widen(ctx, g.room, a, Kind(g.arg))
	}},
	"keep": {"KeepVisibility", 1, false, nil, func(s *Service, a Actor, g aim) error { return s.KeepVisibility(ctx, g.room, a) }},
	"ask": {"AskAttribution", 2, false, []string{"on_record", "background", "chatham_house", "off_record", "rumour"}, func(s *Service, a Actor, g aim) error {
		return s.AskAttribution(ctx, g.room, a, Attribution(g.arg))
	}},
	"agree":    {"AgreeAttribution", 2, true, nil, func(s *Service, a Actor, g aim) error { return s.AgreeAttribution(ctx, g.room, a) }},
	"refuse":   {"RefuseAttribution", 1, true, nil, func(s *Service, a Actor, g aim) error { return s.RefuseAttribution(ctx, g.room, a) }},
	"withdraw": {"WithdrawAttribution", 1, false, nil, func(s *Service, a Actor, g aim) error { return s.WithdrawAttribution(ctx, g.room, a) }},
	"queue rule": {"SetQueueRule", 1, false, append(texts(QueueRules), "loudest"), func(s *Service, a Actor, g aim) error {
		return s.SetQueueRule(ctx, g.room, a, QueueRule(g.arg))
	}},
	"next": {"BringUpNext", 1, false, []string{"1", "2", "10", "0", "11"}, func(s *Service, a Actor, g aim) error {
		n, _ := strconv.Atoi(g.arg)
		_, err := s.BringUpNext(ctx, g.room, a, n)
		return err
	}},
	"timer": {"SetTimer", 1, false, []string{"60", "120", "180", "300", "61"}, func(s *Service, a Actor, g aim) error {
		seconds, _ := strconv.Atoi(g.arg)
		return s.SetTimer(ctx, g.room, a, g.account(), seconds)
	}},
	"clear timer": {"ClearTimer", 1, false, nil, func(s *Service, a Actor, g aim) error { return s.ClearTimer(ctx, g.room, a) }},
	"react": {"React", 2, true, append(texts(Reactions), "boo"), func(s *Service, a Actor, g aim) error {
		return s.React(ctx, g.room, a, Reaction(g.arg))
	}},
	"stage reactions": {"SetStageReactions", 1, false, []string{"true", "false"}, func(s *Service, a Actor, g aim) error {
		return s.SetStageReactions(ctx, g.room, a, g.arg == "true")
	}},
	"reset":     {"Reset", 1, false, nil, func(s *Service, a Actor, g aim) error { return s.Reset(ctx, g.room, a) }},
	"make link": {"NewSpeakerLink", 2, false, nil, nil}, // by drama.makeLink, which remembers it
	"withdraw link": {"WithdrawSpeakerLink", 1, false, nil, func(s *Service, a Actor, g aim) error {
		return s.WithdrawSpeakerLink(ctx, g.room, a, g.arg)
	}},
	"share":   {"Share", 2, true, []string{"", "Come!", long}, func(s *Service, a Actor, g aim) error { return s.Share(ctx, g.room, a, g.arg) }},
	"unshare": {"Unshare", 1, true, nil, func(s *Service, a Actor, g aim) error { return s.Unshare(ctx, g.room, a) }},
	"pin": {"SetPin", 2, false, []string{"https://example.org/tea", "http://example.org/talk", "https://example.org/tea", "ftp://example.org/", ""}, func(s *Service, a Actor, g aim) error {
		return s.SetPin(ctx, g.room, a, g.arg)
	}},
	"unpin": {"Unpin", 1, false, nil, func(s *Service, a Actor, g aim) error { return s.Unpin(ctx, g.room, a) }},
	"agenda": {"SetAgenda", 1, false, []string{"", "- tea\n- talk", "- talk\n- songs\n- talk", "no list", strings.Repeat(long, 14)}, func(s *Service, a Actor, g aim) error {
		return s.SetAgenda(ctx, g.room, a, g.arg)
	}},
	"move agenda": {"MoveAgenda", 2, false, []string{"", "0", "1", "0 tea", "0 talk", "1 talk", "2", "-1", "7", "7 tea"}, func(s *Service, a Actor, g aim) error {
		item, text := agendaArg(g.arg)
		return s.MoveAgenda(ctx, g.room, a, item, text)
	}},
	"chat": {"SetChat", 1, false, []string{"everyone 0", "off 30", "followers", " 60", " 61", "party 1", "everyone -1"}, func(s *Service, a Actor, g aim) error {
		mode, slow := chatArg(g.arg)
		return s.SetChat(ctx, g.room, a, mode, slow)
	}},
	"questions": {"SetQuestions", 1, false, []string{"on", "off", "anonymous", "named", ""}, func(s *Service, a Actor, g aim) error {
		on, anonymous := questionsArg(g.arg)
		return s.SetQuestions(ctx, g.room, a, on, anonymous)
	}},
}

// Steps that are not commands of somebody in the room.
var (
	playedOtherwise = []string{"Open", "Enter", "EnterBy", "Leave", "LeaveCredential", "Connected", "Disconnected", "Blocked", "SetHidden", "Sweep", "Recover"}
	lookedAt        = []string{"View", "See", "Hallway", "Where", "SeatOf", "Governs", "Ended", "Log", "Unseen", "Inside"} // what people see, checked after steps
	changesNothing  = []string{"Faces", "Find", "Invitable", "MayAddGuest", "Pins", "Poster", "SpeakerLinks", "Stats", "SuggestedSpeakers",
		"ForgetFollows", "ForgetPerson", "Preview", "Run"}
)

// transitions are the rules of State that no command of the Service is named after.
var transitions = []string{"Bar", "Enter", "Leave", "Hold", "Lose", "SeatTaken", "SetMuted", "MakeSpeakerLink", "Tidy", "Tick", "Watch", "TellFollowers",
	"PinPreviewed", "GrantOf", "Grants", "Info", "Ended", "Role"}

// TestThePlaysKnowEveryCommand fails when there is a command that is not played:
// add it to plays, and what must come of it to the oracle.
func TestThePlaysKnowEveryCommand(t *testing.T) {
	known := map[string]bool{}
	for verb, p := range plays {
		if known[p.method] {
			t.Errorf("%s is played twice, as %s too", p.method, verb)
		}
		known[p.method] = true
	}
	for _, name := range slices.Concat(playedOtherwise, lookedAt, changesNothing) {
		known[name] = true
	}
	missing := func(v any, known func(string) bool) {
		for i := range reflect.TypeOf(v).NumMethod() {
			if name := reflect.TypeOf(v).Method(i).Name; !known(name) {
				t.Errorf("%T.%s is not played", v, name)
			}
		}
	}
	missing(&Service{}, func(name string) bool { return known[name] })
	missing(&State{}, func(name string) bool { return known[name] || slices.Contains(transitions, name) })
	for name := range known {
		if _, ok := reflect.TypeOf(&Service{}).MethodByName(name); !ok {
			t.Errorf("%s is played and does not exist", name)
		}
	}
}

// verbs are the names of the plays, as often as they are to be drawn.
var verbs = func() (list []string) {
	for _, verb := range slices.Sorted(maps.Keys(plays)) {
		for range max(1, plays[verb].often) {
			list = append(list, verb)
		}
	}
	return list
}()

func texts[T ~string](list []T) (all []string) {
	for _, one := range list {
		all = append(all, string(one))
	}
	return all
}

// agendaArg is an item, none if arg is empty, and what was read there.
func agendaArg(arg string) (item *int, text string) {
	number, text, _ := strings.Cut(arg, " ")
	if number == "" {
		return nil, ""
	}
	n, _ := strconv.Atoi(number)
	return &n, text
}

func chatArg(arg string) (mode *besedka.Chat, slow *int) {
	who, seconds, _ := strings.Cut(arg, " ")
	if who != "" {
		m := besedka.Chat(who)
		mode = &m
	}
	if seconds != "" {
		n, _ := strconv.Atoi(seconds)
		slow = &n
	}
	return mode, slow
}

func questionsArg(arg string) (on, anonymous *bool) {
	yes, no := true, false
	switch arg {
	case "on":
		return &yes, nil
	case "off":
		return &no, nil
	case "anonymous":
		return nil, &yes
	case "named":
		return &yes, &no
	}
	return nil, nil
}

// drawArg draws what a command is given.
func (d *drama) drawArg(t *rapid.T, o *oracle, verb string) string {
	if verb == "withdraw link" && len(o.ways.links) > 0 {
		return rapid.SampledFrom(o.ways.links).Draw(t, "link").id
	}
	if args := plays[verb].args; args != nil {
		return rapid.SampledFrom(args).Draw(t, cmp.Or(verb, "arg"))
	}
	return ""
}

// perform does a command.
func (d *drama) perform(a Actor, verb string, g aim) error {
	if verb == "make link" {
		return d.makeLink(a, g.room)
	}
	return plays[verb].do(d.service, a, g)
}
