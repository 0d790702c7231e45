package room

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"besedka"
)

// These tests are the rules of a room, on a State alone.

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// scene is a room with its clock: opened by host, entered by the others in
// order. Those after the first come into the audience.
type scene struct {
	*State
	t     *testing.T
	now   time.Time
	facts []fact
}

func play(t *testing.T, kind Kind, others ...besedka.AccountID) *scene {
	t.Helper()
	st, err := Open("room", actor("host"), Person{ID: "host"}, Opening{Kind: kind}, noon)
	if err != nil {
		t.Fatal(err)
	}
	sc := &scene{State: st, t: t, now: noon}
	sc.settle()
	for _, account := range others {
		sc.must(st.Enter(actor(account), true, sc.tick()))
	}
	return sc
}

func (sc *scene) tick() time.Time {
	sc.now = sc.now.Add(time.Millisecond)
	return sc.now
}

func (sc *scene) must(err error) {
	sc.t.Helper()
	if err != nil {
		sc.t.Fatal(err)
	}
	sc.facts = append(sc.facts, sc.out.facts...)
	sc.settle()
}

// refused expects the error and that nothing has changed but what undo takes back.
func (sc *scene) refused(err error, want *besedka.Error) {
	sc.t.Helper()
	if !errors.Is(err, want) {
		sc.t.Errorf("got %v, want %s", err, want.Code)
	}
	if w := sc.writes(); !w.empty() {
		sc.t.Errorf("a refused command left %d writes and %d facts", len(w.statements), len(w.facts))
	}
	sc.undo()
}

// speaker brings somebody on stage by their own hand.
func (sc *scene) speaker(account besedka.AccountID) {
	sc.t.Helper()
	sc.must(sc.RaiseHand(account, Raising{Followed: true}, sc.tick()))
	_, err := sc.InviteToStage("host", account, sc.tick())
	sc.must(err)
}

func (sc *scene) moderator(account besedka.AccountID) {
	sc.t.Helper()
	if sc.roleOf(account) == besedka.RoleListener {
		sc.speaker(account)
	}
	sc.must(sc.SetRole("host", account, besedka.RoleModerator, sc.tick()))
}

func (sc *scene) leave(account besedka.AccountID) {
	sc.Leave(account.Participant(), sc.tick())
	sc.settle()
	sc.Tidy(sc.tick())
	sc.must(nil)
}

func (sc *scene) remove(by, target besedka.AccountID) error {
	if err := sc.Bar(by, target.Participant(), Removal{Reason: "noise", At: sc.tick()}); err != nil {
		return err
	}
	sc.settle()
	sc.Tidy(sc.now)
	return nil
}

// hold keeps everybody connected.
func (sc *scene) hold(accounts ...besedka.AccountID) {
	for _, account := range accounts {
		sc.Hold(account.Participant(), actor(account).Credential, false)
	}
	sc.settle()
}

func (sc *scene) is(account besedka.AccountID, want besedka.Role) {
	sc.t.Helper()
	if got := sc.roleOf(account); got != want {
		sc.t.Errorf("%s is %q, want %q", account, got, want)
	}
}

func (sc *scene) told(kind string) []fact {
	return slices.DeleteFunc(slices.Clone(sc.facts), func(f fact) bool { return f.kind != kind })
}

func TestFirstTwoAreOnStageAndLaterOnesInTheAudience(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris")
	sc.is("host", besedka.RoleHost)
	sc.is("anna", besedka.RoleSpeaker)
	sc.is("boris", besedka.RoleListener)
}

func TestSecondPlaceOnStageIsGivenOnce(t *testing.T) {
	sc := play(t, KindOpen, "anna")
	sc.leave("anna")
	sc.must(sc.Enter(actor("boris"), false, sc.tick()))
	sc.must(sc.Enter(actor("anna"), false, sc.tick()))
	sc.is("boris", besedka.RoleListener)
	sc.is("anna", besedka.RoleListener)
}

func TestGuestIsAlwaysInTheAudience(t *testing.T) {
	sc := play(t, KindOpen)
	sc.must(sc.Enter(Actor{Who: "guest-1", GuestOf: "room"}, false, sc.tick()))
	if role := sc.Role("guest-1"); role != besedka.RoleListener {
		t.Errorf("guest is %q", role)
	}
	sc.must(sc.Enter(actor("anna"), false, sc.tick()))
	sc.is("anna", besedka.RoleSpeaker)
	if c := sc.counts(); c != (Counts{All: 3, OnStage: 2, Guests: 1}) {
		t.Errorf("counts %+v", c)
	}
}

// TestWhoMayKnowOfARoom is the matrix of the one authorization function.
func TestWhoMayKnowOfARoom(t *testing.T) {
	sc := map[Kind]*scene{}
	for _, kind := range []Kind{KindOpen, KindSocial, KindClosed} {
		s := play(t, kind)
		s.must(s.Pick(Person{ID: "host"}, "picked", s.tick()))
		s.must(s.Pick(Person{ID: "host"}, "pickedout", s.tick()))
		s.must(s.remove("host", "out"))
		s.must(s.remove("host", "pickedout"))
		sc[kind] = s
	}
	tests := []struct {
		name                 string
		a                    Actor
		followed             bool
		open, social, closed standing
	}{
		{"nobody", Actor{}, true, stranger, stranger, stranger},
		{"host", actor("host"), false, admitted, admitted, admitted},
		{"member", actor("member"), false, admitted, stranger, stranger},
		{"member followed by a moderator", actor("member"), true, admitted, admitted, stranger},
		{"picked", actor("picked"), false, admitted, admitted, admitted},
		{"removed", actor("out"), false, expelled, stranger, stranger},
		{"removed, followed", actor("out"), true, expelled, expelled, stranger},
		{"removed, picked", actor("pickedout"), true, expelled, expelled, expelled},
		{"guest of the room", Actor{Who: "guest-1", GuestOf: "room"}, true, admitted, admitted, admitted},
		{"guest of another room", Actor{Who: "guest-1", GuestOf: "other"}, true, stranger, stranger, stranger},
		{"guest of no room", Actor{Who: "guest-1"}, true, stranger, stranger, stranger},
		{"account that claims to be a guest", Actor{Who: "member", GuestOf: "room"}, true, stranger, stranger, stranger},
	}
	for _, tt := range tests {
		for kind, want := range map[Kind]standing{KindOpen: tt.open, KindSocial: tt.social, KindClosed: tt.closed} {
			if got := sc[kind].standing(tt.a, tt.followed); got != want {
				t.Errorf("%s in %s room: standing %d, want %d", tt.name, kind, got, want)
			}
		}
	}
}

func TestPickingIntoASocialOrClosedRoomIsForModerators(t *testing.T) {
	for kind, want := range map[Kind]*besedka.Error{KindOpen: nil, KindSocial: ErrModeratorsOnly, KindClosed: ErrModeratorsOnly} {
		sc := play(t, KindOpen, "anna", "boris")
		sc.info.Kind = kind
		sc.settle()
		err := sc.Pick(Person{ID: "boris"}, "vera", sc.tick())
		if want == nil {
			sc.must(err)
		} else {
			sc.refused(err, want)
		}
	}
}

func TestNobodyIsAskedIntoARoomTwice(t *testing.T) {
	sc := play(t, KindOpen, "anna")
	for _, by := range []besedka.AccountID{"host", "anna", "host"} {
		sc.must(sc.Pick(Person{ID: by}, "vera", sc.tick()))
	}
	if n := len(sc.told("room_invited")); n != 1 {
		t.Errorf("told %d times", n)
	}
}

func TestHandsAreOrderedAndToldToModeratorsOnly(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris", "vera", "gleb")
	for _, account := range []besedka.AccountID{"vera", "gleb", "boris"} {
		sc.must(sc.RaiseHand(account, Raising{}, noon)) // all in the same millisecond
	}
	if got := sc.queue(); !slices.Equal(got, []besedka.AccountID{"vera", "gleb", "boris"}) {
		t.Errorf("queue %v", got)
	}
	for _, f := range sc.told("hand_raised") {
		if !slices.Equal(f.to, []besedka.ParticipantID{"host", besedka.ParticipantID(f.data["account"].(besedka.AccountID))}) {
			t.Errorf("hand of %v told to %v", f.data["account"], f.to)
		}
	}
}

func TestRaisingAgainKeepsThePlaceAndMayChangeTheNote(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris", "vera")
	sc.must(sc.RaiseHand("boris", Raising{Note: "about tea"}, sc.tick()))
	sc.must(sc.RaiseHand("vera", Raising{}, sc.tick()))
	sc.must(sc.RaiseHand("boris", Raising{}, sc.tick()))
	if n := len(sc.told("hand_raised")); n != 2 {
		t.Errorf("told %d times", n)
	}
	sc.must(sc.RaiseHand("boris", Raising{Note: "about coffee"}, sc.tick()))
	if got := sc.queue(); got[0] != "boris" || sc.hands.rows["boris"].Note != "about coffee" {
		t.Errorf("queue %v, note %q", got, sc.hands.rows["boris"].Note)
	}
}

func TestHandSettings(t *testing.T) {
	tests := []struct {
		setting  Hands
		followed bool
		want     *besedka.Error
	}{
		{HandsEveryone, false, nil}, {HandsFollowed, true, nil}, {HandsFollowed, false, ErrHandsClosed}, {HandsOff, true, ErrHandsClosed},
	}
	for _, tt := range tests {
		sc := play(t, KindOpen, "anna", "boris")
		sc.must(sc.SetHands("host", tt.setting))
		err := sc.RaiseHand("boris", Raising{Followed: tt.followed}, sc.tick())
		if tt.want == nil {
			sc.must(err)
		} else {
			sc.refused(err, tt.want)
		}
	}
}

func TestClosingTheQueueKeepsHandsThatAreUp(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris")
	sc.must(sc.RaiseHand("boris", Raising{}, sc.tick()))
	sc.must(sc.SetHands("host", HandsOff))
	sc.must(sc.RaiseHand("boris", Raising{}, sc.tick()))
	if !sc.hands.has("boris") {
		t.Error("the hand is down")
	}
}

func TestLoweringAllHandsTellsModeratorsAndTheirOwners(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris", "vera")
	sc.must(sc.RaiseHand("boris", Raising{}, sc.tick()))
	sc.must(sc.LowerAllHands("host"))
	sc.must(sc.LowerAllHands("host"))
	told := sc.told("hands_lowered")
	if len(told) != 1 || !slices.Equal(told[0].to, []besedka.ParticipantID{"host", "boris"}) {
		t.Errorf("told %v", told)
	}
}

func TestRaisedHandGoesOnStageAtOnceWhenInvited(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris")
	sc.must(sc.RaiseHand("boris", Raising{}, sc.tick()))
	on, err := sc.InviteToStage("host", "boris", sc.tick())
	sc.must(err)
	sc.is("boris", besedka.RoleSpeaker)
	if !on || sc.hands.has("boris") || sc.invited.has("boris") {
		t.Error("hand or invitation is left")
	}
}

func TestNobodyComesOnStageWithoutAnActOfTheirOwn(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris")
	on, err := sc.InviteToStage("host", "boris", sc.tick())
	sc.must(err)
	if on {
		t.Error("invited means on stage")
	}
	sc.is("boris", besedka.RoleListener)
	sc.refused(sc.SetRole("host", "boris", besedka.RoleSpeaker, sc.tick()), ErrConsentNeeded)
	sc.refused(sc.SetRole("host", "boris", besedka.RoleModerator, sc.tick()), ErrNotASpeaker)
	sc.must(sc.DeclineStage("boris"))
	sc.refused(sc.AcceptStage("boris", sc.tick()), ErrNotInvited)
	_, err = sc.InviteToStage("host", "boris", sc.tick())
	sc.must(err)
	sc.must(sc.AcceptStage("boris", sc.tick()))
	sc.is("boris", besedka.RoleSpeaker)
	sc.must(sc.AcceptStage("boris", sc.tick())) // a second tap
}

func TestInvitationIsGoneWithWhoLeaves(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris")
	_, err := sc.InviteToStage("host", "boris", sc.tick())
	sc.must(err)
	sc.leave("boris")
	sc.must(sc.Enter(actor("boris"), false, sc.tick()))
	sc.refused(sc.AcceptStage("boris", sc.tick()), ErrNotInvited)
}

// TestWhoMayChangeWhoseRole: mod was appointed by the host, junior by mod.
func TestWhoMayChangeWhoseRole(t *testing.T) {
	tests := []struct {
		by, target besedka.AccountID
		role       besedka.Role
		want       *besedka.Error
	}{
		{"anna", "boris", besedka.RoleListener, ErrModeratorsOnly},
		{"anna", "boris", besedka.RoleModerator, ErrModeratorsOnly},
		{"anna", "anna", besedka.RoleModerator, ErrModeratorsOnly},
		{"anna", "anna", besedka.RoleListener, nil},
		{"vera", "vera", besedka.RoleSpeaker, ErrModeratorsOnly},
		{"vera", "vera", besedka.RoleListener, nil},
		{"vera", "anna", besedka.RoleListener, ErrModeratorsOnly},
		{"absent", "anna", besedka.RoleListener, ErrNotInRoom},
		{"host", "absent", besedka.RoleSpeaker, ErrNotInRoom},
		{"mod", "anna", besedka.RoleListener, nil},
		{"mod", "anna", besedka.RoleModerator, nil},
		{"mod", "vera", besedka.RoleSpeaker, ErrConsentNeeded},
		{"mod", "vera", besedka.RoleModerator, ErrNotASpeaker},
		{"mod", "anna", besedka.RoleHost, ErrRoleInvalid},
		{"mod", "anna", "king", ErrRoleInvalid},
		{"mod", "host", besedka.RoleSpeaker, ErrHostProtected},
		{"mod", "host", besedka.RoleListener, ErrHostProtected},
		{"junior", "mod", besedka.RoleSpeaker, ErrNotYourModerator},
		{"junior", "mod", besedka.RoleListener, ErrNotYourModerator},
		{"mod", "junior", besedka.RoleSpeaker, nil},
		{"mod", "junior", besedka.RoleListener, nil},
		{"junior", "junior", besedka.RoleSpeaker, nil},
		{"junior", "junior", besedka.RoleListener, nil},
		{"host", "junior", besedka.RoleSpeaker, nil},
		{"host", "mod", besedka.RoleListener, nil},
		{"host", "host", besedka.RoleListener, ErrHandOverFirst},
		{"host", "host", besedka.RoleSpeaker, ErrHandOverFirst},
	}
	for _, tt := range tests {
		sc := play(t, KindOpen, "anna", "boris", "vera", "mod", "junior")
		sc.speaker("boris")
		sc.moderator("mod")
		sc.speaker("junior")
		sc.must(sc.SetRole("mod", "junior", besedka.RoleModerator, sc.tick()))
		err := sc.SetRole(tt.by, tt.target, tt.role, sc.tick())
		if tt.want != nil {
			sc.refused(err, tt.want)
			continue
		}
		sc.must(err)
		sc.is(tt.target, tt.role)
	}
}

func TestAppointerWhoModeratesNoMoreGovernsNobody(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris")
	sc.moderator("anna")
	sc.speaker("boris")
	sc.must(sc.SetRole("anna", "boris", besedka.RoleModerator, sc.tick()))
	sc.must(sc.SetRole("host", "anna", besedka.RoleSpeaker, sc.tick()))
	sc.refused(sc.SetRole("anna", "boris", besedka.RoleSpeaker, sc.tick()), ErrModeratorsOnly)
	sc.refused(sc.remove("anna", "boris"), ErrModeratorsOnly)
}

// TestModeratorsVerbsAreRefusedToEverybodyElse goes through every privileged
// verb with every role that does not have it, former moderators included.
func TestModeratorsVerbsAreRefusedToEverybodyElse(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris", "vera", "former", "demoted", "gone")
	sc.moderator("demoted")
	sc.must(sc.SetRole("host", "demoted", besedka.RoleSpeaker, sc.tick()))
	sc.moderator("former")
	sc.must(sc.SetRole("former", "former", besedka.RoleListener, sc.tick()))
	sc.moderator("gone")
	sc.leave("gone")
	sc.moderator("vera")
	sc.must(sc.remove("host", "vera"))
	verbs := map[string]func(by besedka.AccountID) error{
		"title":        func(by besedka.AccountID) error { return sc.SetTitle(by, "x") },
		"hands":        func(by besedka.AccountID) error { return sc.SetHands(by, HandsOff) },
		"lower":        func(by besedka.AccountID) error { return sc.LowerHandOf(by, "boris") },
		"lower all":    func(by besedka.AccountID) error { return sc.LowerAllHands(by) },
		"invite":       func(by besedka.AccountID) error { _, err := sc.InviteToStage(by, "boris", sc.now); return err },
		"silence":      func(by besedka.AccountID) error { return sc.Silence(by, "anna") },
		"lift silence": func(by besedka.AccountID) error { return sc.LiftSilence(by, "anna") },
		"mute":         func(by besedka.AccountID) error { return sc.MuteOther(by, "anna") },
		"mute all":     func(by besedka.AccountID) error { return sc.MuteAll(by) },
		"remove": func(by besedka.AccountID) error {
			return sc.Bar(by, "anna", Removal{Reason: "spam", At: sc.now})
		},
		"undo": func(by besedka.AccountID) error { return sc.UndoRemoval(by, "vera", sc.now) },
		"end":  func(by besedka.AccountID) error { return sc.End(by, sc.now) },
	}
	for verb, do := range verbs {
		for _, by := range []besedka.AccountID{"anna", "boris", "former", "demoted", "gone", "vera", "stranger", ""} {
			if err := do(by); !errors.Is(err, ErrModeratorsOnly) {
				t.Errorf("%s by %q: %v", verb, by, err)
			}
			if w := sc.writes(); !w.empty() {
				t.Errorf("%s by %q wrote", verb, by)
			}
			sc.undo()
		}
	}
}

func TestSilenceIsHeldOverLeavingAndReturning(t *testing.T) {
	sc := play(t, KindOpen, "anna")
	sc.must(sc.Silence("host", "anna"))
	sc.must(sc.Silence("host", "anna"))
	sc.leave("anna")
	sc.must(sc.Enter(actor("anna"), false, sc.tick()))
	sc.speaker("anna")
	if g, _ := sc.GrantOf("anna"); g.Forward || !g.Publish {
		t.Errorf("grant %+v", g)
	}
	sc.refused(sc.LiftSilence("anna", "anna"), ErrModeratorsOnly)
	sc.must(sc.LiftSilence("host", "anna"))
	if g, _ := sc.GrantOf("anna"); !g.Forward {
		t.Errorf("grant %+v", g)
	}
}

func TestSilencedModeratorCannotFreeHimself(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris")
	sc.moderator("anna")
	sc.moderator("boris")
	sc.must(sc.Silence("host", "anna"))
	sc.refused(sc.LiftSilence("anna", "anna"), ErrNotYourself)
	sc.refused(sc.LiftSilence("boris", "anna"), ErrNotYourModerator)
	sc.refused(sc.Silence("anna", "host"), ErrHostProtected)
	sc.refused(sc.Silence("anna", "boris"), ErrNotYourModerator)
}

func TestNewHostIsNotHeldSilent(t *testing.T) {
	sc := play(t, KindOpen, "anna")
	sc.must(sc.Silence("host", "anna"))
	sc.must(sc.HandOver("host", "anna", sc.tick()))
	if g, _ := sc.GrantOf("anna"); !g.Forward {
		t.Errorf("grant %+v", g)
	}
}

func TestMuteIsACourtesy(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris")
	sc.must(sc.MuteOther("host", "anna"))
	if g, _ := sc.GrantOf("anna"); g.Forward || !g.Publish {
		t.Errorf("grant %+v", g)
	}
	sc.must(sc.SetMuted("anna", false))
	sc.must(sc.MuteAll("host"))
	a, _ := sc.GrantOf("anna")
	h, _ := sc.GrantOf("host")
	if a.Forward || !h.Forward {
		t.Errorf("after mute all: anna %+v, host %+v", a, h)
	}
	sc.refused(sc.SetMuted("boris", true), ErrNotOnStage)
	sc.refused(sc.MuteOther("host", "boris"), ErrNotOnStage)
}

func TestRemovedCannotReturnUntilUndone(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris")
	sc.must(sc.RaiseHand("boris", Raising{}, sc.tick()))
	sc.must(sc.remove("host", "boris"))
	until := sc.now.Add(UndoFor)
	sc.must(sc.remove("host", "boris"))
	sc.is("boris", "")
	if sc.hands.has("boris") {
		t.Error("the hand is still up")
	}
	sc.refused(sc.Enter(actor("boris"), true, sc.tick()), ErrRemoved)
	sc.refused(sc.Pick(Person{ID: "host"}, "boris", sc.tick()), ErrRemoved)
	sc.must(sc.UndoRemoval("host", "boris", until))
	sc.must(sc.UndoRemoval("host", "boris", until))
	sc.must(sc.Enter(actor("boris"), false, sc.tick()))
	sc.is("boris", besedka.RoleListener)
}

func TestAnyModeratorUndoesARemoval(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris", "vera")
	sc.moderator("anna")
	sc.must(sc.remove("host", "boris"))
	sc.refused(sc.UndoRemoval("vera", "boris", sc.now), ErrModeratorsOnly)
	sc.must(sc.UndoRemoval("anna", "boris", sc.now))
	sc.must(sc.Enter(actor("boris"), false, sc.tick()))
}

func TestRemovalIsFinalAfterThirtySeconds(t *testing.T) {
	sc := play(t, KindOpen, "anna")
	sc.must(sc.remove("host", "anna"))
	sc.refused(sc.UndoRemoval("host", "anna", sc.now.Add(UndoFor+time.Millisecond)), ErrUndoTooLate)
}

func TestWhoMayRemoveWhom(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris", "vera")
	sc.moderator("anna")
	sc.moderator("boris")
	sc.refused(sc.remove("anna", "host"), ErrHostProtected)
	sc.refused(sc.remove("anna", "boris"), ErrNotYourModerator)
	sc.refused(sc.remove("anna", "anna"), ErrNotYourself)
	sc.refused(sc.Bar("anna", "vera", Removal{Reason: "dislike"}), ErrReasonInvalid)
	sc.refused(sc.Bar("anna", "vera", Removal{Reason: "spam", Note: strings.Repeat("x", MaxReason+1)}), ErrNoteInvalid)
	sc.must(sc.remove("anna", "vera"))
	sc.must(sc.remove("anna", "absent"))
	sc.refused(sc.Enter(actor("absent"), true, sc.tick()), ErrRemoved)
	sc.must(sc.remove("host", "boris"))
}

func TestRemovedFromAClosedRoomUnseenIsNotToldOfIt(t *testing.T) {
	for kind, want := range map[Kind]int{KindOpen: 1, KindSocial: 0, KindClosed: 0} {
		sc := play(t, kind)
		sc.must(sc.remove("host", "stranger"))
		if n := len(sc.told("removed_from_room")); n != want {
			t.Errorf("%s room: told %d times", kind, n)
		}
	}
	sc := play(t, KindSocial, "anna", "boris")
	sc.must(sc.remove("host", "boris"))
	if len(sc.told("removed_from_room")) != 1 {
		t.Error("who was in the room is not told why they are out")
	}
}

func TestModeratorLongestOnStageSucceedsTheHost(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris", "vera")
	sc.moderator("boris")
	sc.moderator("vera")
	sc.leave("host")
	sc.is("boris", besedka.RoleHost)
	sc.is("vera", besedka.RoleModerator)
	sc.must(sc.Enter(actor("host"), false, sc.tick()))
	sc.is("host", besedka.RoleListener)
}

func TestReconnectingModeratorSucceedsOnlyIfNobodyElseCan(t *testing.T) {
	for _, tt := range []struct {
		lost []besedka.AccountID
		want besedka.AccountID
	}{{nil, "boris"}, {[]besedka.AccountID{"boris"}, "vera"}, {[]besedka.AccountID{"boris", "vera"}, "boris"}} {
		sc := play(t, KindOpen, "anna", "boris", "vera")
		sc.moderator("boris")
		sc.moderator("vera")
		sc.hold("boris", "vera")
		for _, account := range tt.lost {
			sc.Lose(account.Participant(), sc.tick())
		}
		sc.settle()
		sc.leave("host")
		sc.is(tt.want, besedka.RoleHost)
	}
}

func TestHostHandsOverAndStaysModerator(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris")
	sc.refused(sc.HandOver("anna", "boris", sc.tick()), ErrHostOnly)
	sc.refused(sc.HandOver("host", "boris", sc.tick()), ErrNotOnStage)
	sc.must(sc.HandOver("host", "anna", sc.tick()))
	sc.is("anna", besedka.RoleHost)
	sc.is("host", besedka.RoleModerator)
	sc.refused(sc.HandOver("host", "anna", sc.tick()), ErrHostOnly)
}

func TestOldestSpeakerInheritsARoomWithoutModerator(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris", "vera")
	sc.speaker("vera")
	sc.speaker("boris")
	sc.hold("anna", "boris", "vera")
	sc.leave("host")
	left := sc.now
	watch := func(after time.Duration) besedka.AccountID {
		sc.Watch(left.Add(after))
		sc.must(nil)
		return sc.vigil.Offered
	}
	if got := watch(59 * time.Second); got != "" {
		t.Fatalf("offered to %s too early", got)
	}
	if got := watch(60 * time.Second); got != "anna" {
		t.Fatalf("offered to %q", got)
	}
	sc.refused(sc.AcceptHeir("vera", sc.now), ErrNotOffered)
	sc.must(sc.DeclineHeir("anna", left.Add(65*time.Second)))
	if got := watch(66 * time.Second); got != "vera" {
		t.Fatalf("after a refusal offered to %q", got)
	}
	if got := watch(85 * time.Second); got != "boris" {
		t.Fatalf("after no answer offered to %q", got)
	}
	sc.refused(sc.AcceptHeir("vera", sc.now), ErrNotOffered)
	sc.must(sc.AcceptHeir("boris", left.Add(86*time.Second)))
	sc.must(sc.AcceptHeir("boris", left.Add(86*time.Second)))
	sc.is("boris", besedka.RoleHost)
	if watch(time.Hour); sc.Ended() {
		t.Error("a room with a host ended")
	}
	for _, f := range sc.told("heir_offered") {
		if len(f.to) != 1 {
			t.Errorf("offer told to %v", f.to)
		}
	}
}

func TestRoomWithoutHeirEndsTwoMinutesAfterTheFirstOffer(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris")
	sc.hold("anna", "boris")
	sc.leave("host")
	left := sc.now
	sc.Watch(left.Add(ModeratorlessFor))
	sc.must(sc.DeclineHeir("anna", left.Add(61*time.Second)))
	if sc.Watch(left.Add(ModeratorlessFor + HeirsFor - time.Second)); sc.Ended() {
		t.Fatal("ended too early")
	}
	sc.settle()
	if sc.Watch(left.Add(ModeratorlessFor + HeirsFor)); !sc.Ended() {
		t.Error("goes on")
	}
	sc.must(nil)
	sc.refused(sc.Enter(actor("host"), false, sc.tick()), ErrEnded)
}

func TestHostWhoComesBackGoesOnAsHost(t *testing.T) {
	sc := play(t, KindOpen, "anna")
	sc.hold("anna")
	sc.leave("host")
	sc.Watch(sc.now.Add(70 * time.Second))
	sc.must(nil)
	sc.must(sc.Enter(actor("host"), false, sc.now.Add(71*time.Second)))
	sc.is("host", besedka.RoleHost)
	sc.refused(sc.AcceptHeir("anna", sc.tick()), ErrNotOffered)
}

func TestRoomWithoutAnybodyEndsAfterAMinute(t *testing.T) {
	sc := play(t, KindOpen, "anna")
	sc.leave("host")
	sc.leave("anna")
	left := sc.now
	if sc.Watch(left.Add(EmptyFor - time.Second)); sc.Ended() {
		t.Fatal("ended too early")
	}
	if sc.Watch(left.Add(EmptyFor)); !sc.Ended() {
		t.Error("goes on")
	}
}

func TestEndedRoomTakesNoCommand(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris")
	sc.must(sc.RaiseHand("boris", Raising{}, sc.tick()))
	sc.must(sc.End("host", sc.tick()))
	if len(sc.Grants()) != 0 || len(sc.hands.rows) != 0 {
		t.Error("grants or hands are left")
	}
	_, invite := sc.InviteToStage("host", "boris", sc.now)
	for _, err := range []error{sc.End("host", sc.now), sc.SetTitle("host", "x"), sc.RaiseHand("boris", Raising{Followed: true}, sc.now), invite,
		sc.LowerHand("boris"), sc.SetMuted("anna", true), sc.SetRole("host", "anna", besedka.RoleListener, sc.now),
		sc.HandOver("host", "anna", sc.now), sc.remove("host", "anna"), sc.AcceptStage("boris", sc.now),
		sc.Pick(Person{ID: "host"}, "vera", sc.now), sc.Enter(actor("vera"), false, sc.now)} {
		sc.refused(err, ErrEnded)
	}
}

func TestNumberInRTPStaysWithItsPerson(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris")
	before, _ := sc.GrantOf("anna")
	sc.leave("anna")
	sc.speaker("boris")
	sc.must(sc.Enter(actor("anna"), false, sc.tick()))
	if g, _ := sc.GrantOf("anna"); g.CSRC != 0 {
		t.Errorf("a listener has %d", g.CSRC)
	}
	sc.speaker("anna")
	after, _ := sc.GrantOf("anna")
	boris, _ := sc.GrantOf("boris")
	if before.CSRC == 0 || after.CSRC != before.CSRC || boris.CSRC == after.CSRC {
		t.Errorf("anna %d then %d, boris %d", before.CSRC, after.CSRC, boris.CSRC)
	}
}

func TestTextOfPeopleIsBoundedAndHarmless(t *testing.T) {
	tests := []struct {
		in, want string
		ok       bool
	}{
		{"", "", true}, {"  Чай 🫖 ", "Чай 🫖", true}, {"👩‍👩‍👧", "👩‍👩‍👧", true},
		{strings.Repeat("ж", 60), strings.Repeat("ж", 60), true}, {strings.Repeat("ж", 61), "", false},
		{"a\nb", "", false}, {"a\x00b", "", false}, {"a\u202eb", "", false}, {"a\u2028b", "", false}, {"a\xffb", "", false},
	}
	for _, tt := range tests {
		if got, ok := cleanText(tt.in, 60); got != tt.want || ok != tt.ok {
			t.Errorf("cleanText(%q) = %q, %v", tt.in, got, ok)
		}
	}
}

func TestOpeningIsChecked(t *testing.T) {
	tests := []struct {
		o    Opening
		want *besedka.Error
	}{
		{Opening{Kind: "secret"}, ErrKindInvalid},
		{Opening{Kind: KindOpen, Title: strings.Repeat("x", 61)}, ErrTitleInvalid},
		{Opening{Kind: KindClosed, GuestsAllowed: true}, ErrGuestsNotAllowed},
		{Opening{Kind: KindOpen, Invite: make([]besedka.AccountID, 101)}, ErrTooManyPicks},
	}
	for _, tt := range tests {
		if _, err := Open("room", actor("host"), Person{ID: "host"}, tt.o, noon); !errors.Is(err, tt.want) {
			t.Errorf("%+v: %v", tt.o, err)
		}
	}
}

func TestOrderOfFaces(t *testing.T) {
	sc := play(t, KindOpen, "first", "a", "b", "c", "d", "mod")
	sc.moderator("mod")
	sc.speaker("a")
	sc.must(sc.HandOver("host", "first", sc.tick()))
	sc.must(sc.HandOver("first", "host", sc.tick()))
	w := newCrowd(sc.audience(), map[besedka.AccountID]bool{"c": true})
	got := append(sc.stageOrder(), sc.roster(actor("b"), w, []besedka.AccountID{"d", "c", "elsewhere"}, noon)...)
	want := []besedka.AccountID{"host", "first", "mod", "a", "c", "d", "b"}
	if !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
}
