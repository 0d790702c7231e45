package room

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"besedka"
)

// QueueRule says in which order raised hands are served (N10). Everybody sees
// the rule; moderators may depart from it, which the log then says.
type QueueRule string

// The rules of the queue. Where a rule makes no difference, who raised the
// hand first comes first.
const (
	QueueFirstCome    QueueRule = "first_come"
	QueueLeastAirtime QueueRule = "least_airtime" // who was heard least
	QueueFirstTimers  QueueRule = "first_timers"  // who has never spoken in the room
	QueueAlternate    QueueRule = "alternate"     // the groups that people say to speak for take turns
	QueueLot          QueueRule = "lot"           // as drawn when the hand was raised
)

// QueueRules lists them all.
var QueueRules = []QueueRule{QueueFirstCome, QueueLeastAirtime, QueueFirstTimers, QueueAlternate, QueueLot}

const (
	maxNext   = 10  // hands brought up by one command
	maxGroups = 200 // whose turns are remembered
)

// SetQueueRule says in which order hands are served from now on. Moderators only.
func (s *State) SetQueueRule(by besedka.AccountID, rule QueueRule) error {
	if err := s.needModerator(by); err != nil {
		return err
	}
	if !slices.Contains(QueueRules, rule) {
		return ErrQueueRuleInvalid.In("queue_rule")
	}
	if rule != s.info.Queue {
		s.info.Queue = rule
		s.tell("queue_rule_set", fields{"rule": rule, "by": by})
		s.log(by, LogQueueRule, "", string(rule))
	}
	return nil
}

// groupKey is the same for groups that differ in capitals only.
func (h Hand) groupKey() string { return strings.ToLower(h.Group) }

// queue lists whose hands are up, in the order in which they are to be served.
func (s *State) queue() []besedka.AccountID {
	list := make([]besedka.AccountID, 0, len(s.hands.rows))
	for account := range s.hands.rows {
		if s.seats.has(account.Participant()) {
			list = append(list, account)
		}
	}
	s.inOrder(list, func(a besedka.AccountID) int64 { return s.hands.rows[a].Number })
	switch s.info.Queue {
	case QueueLeastAirtime:
		s.inOrder(list, func(a besedka.AccountID) int64 { return int64(s.airtime(a)) })
	case QueueFirstTimers:
		s.inOrder(list, func(a besedka.AccountID) int64 { return bit(s.spoken(a)) })
	case QueueLot:
		s.inOrder(list, func(a besedka.AccountID) int64 { return s.hands.rows[a].Lot })
	case QueueAlternate:
		s.alternate(list)
	}
	return list
}

// inOrder sorts by key and leaves those with the same key as they are.
func (s *State) inOrder(list []besedka.AccountID, key func(besedka.AccountID) int64) {
	slices.SortStableFunc(list, func(a, b besedka.AccountID) int { return cmp.Compare(key(a), key(b)) })
}

// alternate lets the groups of a list take turns, the one least recently
// served first; among those never served the one whose hand was up first.
func (s *State) alternate(list []besedka.AccountID) {
	var groups []string
	round := make(map[besedka.AccountID]int64, len(list))
	rounds := map[string]int64{}
	for _, account := range list {
		group := s.hands.rows[account].groupKey()
		if rounds[group] == 0 {
			groups = append(groups, group)
		}
		rounds[group]++
		round[account] = rounds[group]
	}
	slices.SortStableFunc(groups, func(a, b string) int { return cmp.Compare(s.served.rows[a], s.served.rows[b]) })
	place := make(map[string]int64, len(groups))
	for i, group := range groups {
		place[group] = int64(i)
	}
	turn := make(map[besedka.AccountID]int64, len(list))
	for _, account := range list {
		turn[account] = round[account]*int64(len(list)) + place[s.hands.rows[account].groupKey()]
	}
	s.inOrder(list, func(a besedka.AccountID) int64 { return turn[a] })
}

// bringUp brings somebody on stage whose hand is up, and logs whether it was
// their turn.
func (s *State) bringUp(by, target besedka.AccountID, now time.Time) error {
	inTurn, group := s.queue()[0] == target, s.hands.rows[target].groupKey()
	if err := s.comeOnStage(target, now); err != nil {
		return err
	}
	s.info.LastServed++
	s.served.put(group, s.info.LastServed)
	s.forgetGroups()
	if inTurn {
		s.log(by, LogBroughtUp, target, "")
	} else {
		s.log(by, LogOutOfOrder, target, string(s.info.Queue))
	}
	return nil
}

// forgetGroups bounds the groups whose turns are remembered.
func (s *State) forgetGroups() {
	if len(s.served.rows) <= maxGroups {
		return
	}
	oldest, served := "", s.info.LastServed+1
	for group, at := range s.served.rows {
		if at < served {
			oldest, served = group, at
		}
	}
	s.served.drop(oldest)
}

// BringUpNext brings the first n of the queue on stage, or as many as there
// are and have room, and lists them. Moderators only.
func (s *State) BringUpNext(by besedka.AccountID, n int, now time.Time) ([]besedka.AccountID, error) {
	return s.bringUpNext(by, n, nil, now)
}

// bringUpNext passes over those whom to bring up one must be sure; ErrBlockedOnStage
// if there is nobody else.
func (s *State) bringUpNext(by besedka.AccountID, n int, unsure map[besedka.AccountID]int, now time.Time) ([]besedka.AccountID, error) {
	if err := s.needModerator(by); err != nil {
		return nil, err
	}
	if n < 1 || n > maxNext {
		return nil, ErrCountInvalid.In("count")
	}
	up := []besedka.AccountID{}
	for range n {
		queue := s.queue()
		all := len(queue)
		queue = slices.DeleteFunc(queue, func(account besedka.AccountID) bool { return unsure[account] > 0 })
		if all > 0 && len(queue) == 0 && len(up) == 0 {
			return nil, ErrBlockedOnStage
		}
		if len(queue) == 0 {
			break
		}
		err := s.bringUp(by, queue[0], now)
		if err != nil && len(up) == 0 {
			return nil, err
		}
		if err != nil {
			break
		}
		up = append(up, queue[0])
	}
	return up, nil
}

// SetQueueRule is State.SetQueueRule.
func (s *Service) SetQueueRule(ctx context.Context, room besedka.RoomID, a Actor, rule QueueRule) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, _ time.Time) error {
		return st.SetQueueRule(by, rule)
	})
}

// BringUpNext is State.BringUpNext.
func (s *Service) BringUpNext(ctx context.Context, room besedka.RoomID, a Actor, n int) (up []besedka.AccountID, err error) {
	unsure := s.unsure(ctx, room, a)
	err = s.command(ctx, room, a, func(st *State, by besedka.AccountID, now time.Time) (err error) {
		up, err = st.bringUpNext(by, n, unsure, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	return up, nil
}
