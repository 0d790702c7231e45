package room

import (
	"cmp"
	"slices"
	"time"

	"besedka"
)

// Bounds of a room; how many come in is for Limits to say.
const (
	MaxPicks    = 1000 // people picked into one room
	MaxHosted   = 3    // open rooms that one account may host
	MaxTitle    = 60   // runes
	MaxHandNote = 80   // runes
	MaxGroup    = 40   // runes of whom somebody speaks for
	MaxReason   = 280  // runes of the note that goes with a removal
)

// Times of a room.
const (
	GraceFor         = 20 * time.Second // from entering to the first connection
	LostFor          = 60 * time.Second // a seat without connection is kept
	EmptyFor         = 60 * time.Second // a room without anybody is kept
	ModeratorlessFor = 60 * time.Second // until the first heir is offered the room
	OfferFor         = 20 * time.Second // an heir has to answer
	HeirsFor         = 2 * time.Minute  // until the room ends for want of an heir
	UndoFor          = 30 * time.Second // a removal may be undone
)

// Kind says who may come into a room.
type Kind string

// The kinds of rooms.
const (
	KindOpen   Kind = "open"   // every member
	KindSocial Kind = "social" // people followed by a moderator on stage, and people picked
	KindClosed Kind = "closed" // people picked
)

// Hands says who may raise a hand.
type Hands string

// The hand settings.
const (
	HandsEveryone Hands = "everyone"
	HandsFollowed Hands = "followed"   // by somebody on stage
	HandsNew      Hands = "not_spoken" // who has not spoken in the room yet
	HandsOff      Hands = "off"        // hands that are up stay up
)

// Info is the room's own row.
type Info struct {
	ID            besedka.RoomID
	Title         string
	Kind          Kind
	Host          besedka.AccountID // exactly one, also while away
	Hands         Hands
	Queue         QueueRule
	Language      string // BCP 47, its first part; "" = not said
	Attribution   Attribution
	GuestsAllowed bool
	SecondCame    bool   // the first other account has entered (D5)
	LastCSRC      uint32 // the last contributing source given
	LastHand      int64  // the last number in the queue of hands given
	LastServed    int64  // counts who was brought up from the queue
	Untold        bool   // followers of the host have yet to be told of the room
	Widening      Widening
	Asked         AttributionChange
	Timer         Timer
	StartedAt     time.Time
	EndedAt       time.Time // zero while open

	StageReactions bool // people on stage may react too
}

// Place is somebody's row on stage.
type Place struct {
	Role        besedka.Role
	Since       time.Time
	AppointedBy besedka.AccountID // of moderators: who made them one
}

// Voice is kept for everybody who has ever been on stage in the room: the
// contributing source that names them in RTP, and whether a moderator holds
// them silent, which outlives leaving the stage.
type Voice struct {
	CSRC       uint32
	SilencedBy besedka.AccountID // "" = not silenced
	Airtime    time.Duration     // as last written; see State.airtime
}

// Hand is a raised hand; Number is its place in the order of raising.
type Hand struct {
	Number   int64
	Lot      int64  // drawn when it was raised
	Group    string // whom its owner says to speak for
	Note     string
	RaisedAt time.Time
}

// StageInvitation waits for its account to accept or decline.
type StageInvitation struct {
	By besedka.AccountID
	At time.Time
}

// Removal keeps somebody out of the room.
type Removal struct {
	By     besedka.AccountID
	Reason string
	Note   string
	At     time.Time
}

// barring is a removal that is in force and not yet written.
type barring struct {
	Removal
	wasHere bool
}

// Pick is somebody asked into the room.
type Pick struct {
	By     besedka.AccountID
	At     time.Time
	Pinged bool // by a ping, of which everybody has a few
}

// Seat is the presence of a participant. It is never written.
type Seat struct {
	Credential besedka.CredentialID // "" after a restart, until somebody comes back
	EnteredAt  time.Time
	Muted      bool      // by oneself or out of a moderator's courtesy
	Up         bool      // has a live up session
	Lost       bool      // had a connection and has none
	Overflow   bool      // hears, and is only counted; see overflow.go
	Deadline   time.Time // when the seat is given up; zero while a connection holds it
}

// vigil watches over a room that nobody is in or that nobody moderates.
type vigil struct {
	EmptySince    time.Time
	Moderatorless time.Time // since when
	Offered       besedka.AccountID
	OfferedAt     time.Time
}

// single is what a room has one of.
type single struct {
	info     Info
	vigil    vigil
	text     Text
	guests   int // seats held by guests, without those in overflow
	overflow int // seats in overflow
	resetAt  time.Time
}

// State is a room as a value: its rows and the seats taken in it. Its
// methods are the rules; each either changes the state and notes the facts to
// be told, or returns an error. After an error the caller must undo. A State
// is not safe for concurrent use.
type State struct {
	limits Limits
	single
	before single

	stage    table[besedka.AccountID, Place]
	voices   table[besedka.AccountID, Voice]
	hands    table[besedka.AccountID, Hand]
	invited  table[besedka.AccountID, StageInvitation]
	removals table[besedka.ParticipantID, Removal]
	picks    table[besedka.AccountID, Pick]
	agreed   table[besedka.AccountID, bool] // to the attribution asked about
	served   table[string, int64]           // groups, by when they were last served: see Info.LastServed
	links    table[string, speakerLink]
	shares   table[besedka.AccountID, share] // with one's followers; see share.go

	// Presence: what is true while the process lives.
	seats    table[besedka.ParticipantID, Seat]
	barred   table[besedka.ParticipantID, barring] // removed, not yet written
	declined table[besedka.AccountID, bool]        // heirs who would not
	unlogged table[int64, entry]                   // done, not yet written into the log
	aired    table[uint32, time.Duration]          // what of heard is in Voice.Airtime, by CSRC

	heard map[uint32]time.Duration // as the media plane measures it, by CSRC; see airtime.go

	out outcome
}

// outcome is what a transition wants told and done once it is saved.
type outcome struct {
	facts   []fact
	notices []notice
	log     []entry
	taken   []besedka.ParticipantID // seats taken over by another credential
}

// fact is to be published with the rows.
type fact struct {
	account besedka.AccountID // the account's topic; "" = the room's
	kind    string
	to      []besedka.ParticipantID // nil = everyone in the topic
	data    fields
}

// notice is announced to who is there and not kept.
type notice struct {
	kind string
	data fields
}

// fields is the data of a fact or notice.
type fields map[string]any

func newState() *State {
	return &State{
		limits: DefaultLimits,
		stage:  newTable[besedka.AccountID, Place](), voices: newTable[besedka.AccountID, Voice](),
		hands: newTable[besedka.AccountID, Hand](), invited: newTable[besedka.AccountID, StageInvitation](),
		removals: newTable[besedka.ParticipantID, Removal](), picks: newTable[besedka.AccountID, Pick](),
		links: newTable[string, speakerLink](), shares: newTable[besedka.AccountID, share](),
		seats: newTable[besedka.ParticipantID, Seat](), barred: newTable[besedka.ParticipantID, barring](),
		declined: newTable[besedka.AccountID, bool](), unlogged: newTable[int64, entry](),
		agreed: newTable[besedka.AccountID, bool](), served: newTable[string, int64](),
		aired: newTable[uint32, time.Duration](), heard: map[uint32]time.Duration{},
	}
}

// swap exchanges the state with what it was before the running transition.
func (s *State) swap() {
	s.single, s.before = s.before, s.single
	s.stage.swap()
	s.voices.swap()
	s.hands.swap()
	s.invited.swap()
	s.removals.swap()
	s.picks.swap()
	s.links.swap()
	s.shares.swap()
	s.seats.swap()
	s.barred.swap()
	s.declined.swap()
	s.unlogged.swap()
	s.agreed.swap()
	s.served.swap()
	s.aired.swap()
}

// settle ends a transition: the state is taken as it is.
func (s *State) settle() {
	s.before = s.single
	s.out = outcome{}
	s.stage.settle()
	s.voices.settle()
	s.hands.settle()
	s.invited.settle()
	s.removals.settle()
	s.picks.settle()
	s.links.settle()
	s.shares.settle()
	s.seats.settle()
	s.barred.settle()
	s.declined.settle()
	s.unlogged.settle()
	s.agreed.settle()
	s.served.settle()
	s.aired.settle()
}

// undo ends a transition as if it had never been.
func (s *State) undo() {
	s.swap()
	s.settle()
}

// Info is the room's own row.
func (s *State) Info() Info { return s.info }

// Ended says whether the room is over.
func (s *State) Ended() bool { return !s.info.EndedAt.IsZero() }

// Role is what the participant is in the room now, or "" for somebody without a seat.
func (s *State) Role(who besedka.ParticipantID) besedka.Role {
	if !s.seats.has(who) {
		return ""
	}
	if place, ok := s.stage.get(who.Account()); ok {
		return place.Role
	}
	return besedka.RoleListener
}

func (s *State) roleOf(account besedka.AccountID) besedka.Role {
	return s.Role(account.Participant())
}

// onStage lists who is on stage and here, by the time they came, then by CSRC.
func (s *State) onStage() []besedka.AccountID {
	list := make([]besedka.AccountID, 0, len(s.stage.rows))
	for account := range s.stage.rows {
		if s.seats.has(account.Participant()) {
			list = append(list, account)
		}
	}
	slices.SortFunc(list, func(a, b besedka.AccountID) int {
		return cmp.Or(s.stage.rows[a].Since.Compare(s.stage.rows[b].Since),
			cmp.Compare(s.voices.rows[a].CSRC, s.voices.rows[b].CSRC))
	})
	return list
}

// moderators lists host and moderators who are here, by the time they came on stage.
func (s *State) moderators() []besedka.AccountID {
	return slices.DeleteFunc(s.onStage(), func(a besedka.AccountID) bool {
		return !s.stage.rows[a].Role.Moderates()
	})
}

// toModerators are the recipients of what moderators may know, and whoever else it concerns.
func (s *State) toModerators(also ...besedka.AccountID) []besedka.ParticipantID {
	to := []besedka.ParticipantID{}
	for _, account := range append(s.moderators(), also...) {
		if p := account.Participant(); !slices.Contains(to, p) {
			to = append(to, p)
		}
	}
	return to
}

// tell notes a fact for everyone in the room.
func (s *State) tell(kind string, data fields) {
	s.out.facts = append(s.out.facts, fact{kind: kind, data: data})
}

// tellOnly notes a fact of the room that only some may see.
func (s *State) tellOnly(to []besedka.ParticipantID, kind string, data fields) {
	s.out.facts = append(s.out.facts, fact{kind: kind, to: to, data: data})
}

// tellAccount notes a fact for one account, wherever it is.
func (s *State) tellAccount(account besedka.AccountID, kind string, data fields) {
	s.out.facts = append(s.out.facts, fact{account: account, kind: kind, data: data})
}

// kindMuteChanged says how a microphone is shown.
const kindMuteChanged = "mute_changed"

// noticeMute announces how the participant's microphone is shown.
func (s *State) noticeMute(who besedka.ParticipantID) {
	seat := s.seats.rows[who]
	s.out.notices = append(s.out.notices, notice{kindMuteChanged,
		fields{"account": who, "muted": seat.shownMuted(), "switched_off": seat.Muted}})
}

// shownMuted is true also while nothing could be heard for want of an up session.
func (t Seat) shownMuted() bool { return t.Muted || !t.Up }

// moment is a time as rows keep it: UTC, milliseconds.
func moment(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
