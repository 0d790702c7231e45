package room

import (
	"context"
	"slices"
	"time"

	"besedka"
)

// Attribution says what may be told of the conversation outside of it (N11).
// It is shown before anybody enters, and changes by everybody's yes on stage.
type Attribution string

// The attributions, from the freest to the strictest.
const (
	OnRecord     Attribution = "on_record"     // words and names
	Background   Attribution = "background"    // words, without names but with the role of who said them
	ChathamHouse Attribution = "chatham_house" // what was said, not by whom nor who was there
	OffRecord    Attribution = "off_record"    // nothing
)

// Attributions lists them all.
var Attributions = []Attribution{OnRecord, Background, ChathamHouse, OffRecord}

// AttributionChange is what the stage is asked about; the zero value is nothing.
type AttributionChange struct {
	To Attribution
	By besedka.AccountID
}

// AskAttribution asks everybody on stage to agree to another attribution; to
// ask is to agree. Host only.
func (s *State) AskAttribution(by besedka.AccountID, to Attribution) error {
	if err := s.needSeat(by); err != nil {
		return err
	}
	switch {
	case by != s.info.Host:
		return ErrHostOnly
	case !slices.Contains(Attributions, to):
		return ErrAttributionInvalid.In("to")
	case to == s.info.Asked.To, to == s.info.Attribution && s.info.Asked.To == "":
		return nil
	case to == s.info.Attribution:
		return s.WithdrawAttribution(by)
	}
	s.info.Asked = AttributionChange{To: to, By: by}
	s.agreed.dropAll()
	s.agreed.put(by, true)
	s.tell("attribution_asked", fields{"to": to, "by": by})
	s.log(by, LogAttributionAsked, "", string(to))
	s.concludeAttribution()
	return nil
}

// AgreeAttribution is the yes of somebody on stage. The last one changes the
// attribution.
func (s *State) AgreeAttribution(account besedka.AccountID) error {
	if err := s.needSeat(account); err != nil {
		return err
	}
	switch {
	case !s.roleOf(account).OnStage():
		return ErrNotOnStage
	case s.info.Asked.To == "":
		return ErrNothingAsked
	case s.agreed.has(account):
		return nil
	}
	s.agreed.put(account, true)
	s.tell("attribution_agreed", fields{"account": account})
	s.concludeAttribution()
	return nil
}

// RefuseAttribution is the no of somebody on stage, which ends the asking.
func (s *State) RefuseAttribution(account besedka.AccountID) error {
	if err := s.needSeat(account); err != nil {
		return err
	}
	if !s.roleOf(account).OnStage() {
		return ErrNotOnStage
	}
	s.dropAsked(account)
	return nil
}

// WithdrawAttribution takes the question back. Host only.
func (s *State) WithdrawAttribution(by besedka.AccountID) error {
	if err := s.needSeat(by); err != nil {
		return err
	}
	if by != s.info.Host {
		return ErrHostOnly
	}
	s.dropAsked(by)
	return nil
}

func (s *State) dropAsked(by besedka.AccountID) {
	if s.info.Asked.To == "" {
		return
	}
	s.info.Asked = AttributionChange{}
	s.agreed.dropAll()
	s.tell("attribution_refused", fields{"by": by})
}

// awaited lists who on stage has not yet agreed.
func (s *State) awaited() []besedka.AccountID {
	return slices.DeleteFunc(s.onStage(), s.agreed.has)
}

// concludeAttribution changes the attribution when everybody on stage has
// agreed, also because those who had not are there no more.
func (s *State) concludeAttribution() {
	if s.info.Asked.To == "" || len(s.onStage()) == 0 || len(s.awaited()) > 0 {
		return
	}
	asked := s.info.Asked
	s.info.Attribution, s.info.Asked = asked.To, AttributionChange{}
	s.agreed.dropAll()
	s.tell("attribution_changed", fields{"attribution": asked.To, "by": asked.By})
	s.log(asked.By, LogAttribution, "", string(asked.To))
}

// AskAttribution is State.AskAttribution.
func (s *Service) AskAttribution(ctx context.Context, room besedka.RoomID, a Actor, to Attribution) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, _ time.Time) error {
		return st.AskAttribution(by, to)
	})
}

// AgreeAttribution is State.AgreeAttribution.
func (s *Service) AgreeAttribution(ctx context.Context, room besedka.RoomID, a Actor) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, _ time.Time) error {
		return st.AgreeAttribution(by)
	})
}

// RefuseAttribution is State.RefuseAttribution.
func (s *Service) RefuseAttribution(ctx context.Context, room besedka.RoomID, a Actor) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, _ time.Time) error {
		return st.RefuseAttribution(by)
	})
}

// WithdrawAttribution is State.WithdrawAttribution.
func (s *Service) WithdrawAttribution(ctx context.Context, room besedka.RoomID, a Actor) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, _ time.Time) error {
		return st.WithdrawAttribution(by)
	})
}

// AttributionView is what the stage is asked to agree to, and who has.
type AttributionView struct {
	To      Attribution         `json:"to"`
	By      Person              `json:"by"`
	Agreed  []besedka.AccountID `json:"agreed"`
	Waiting []besedka.AccountID `json:"waiting" doc:"Who on stage has not answered yet."`
}

func (s *State) attributionView() *AttributionView {
	asked := s.info.Asked
	if asked.To == "" {
		return nil
	}
	v := &AttributionView{To: asked.To, By: Person{ID: asked.By}, Agreed: []besedka.AccountID{}, Waiting: s.awaited()}
	for _, account := range s.onStage() {
		if s.agreed.has(account) {
			v.Agreed = append(v.Agreed, account)
		}
	}
	return v
}
