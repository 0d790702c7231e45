package room

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"besedka"
	"besedka/db"
)

// The log of a room (K12) tells everybody inside what its moderators did: the
// action, by whom and when. Whom it met is told to moderators only.

// Bounds of the log.
const (
	KeepLog      = 5000 // entries of one room; older ones go
	logPage      = 50
	maxLogDetail = 280 // runes
)

// The actions in the log. Those of chat, polls and the like are added by
// their owners.
const (
	LogTitle            = "title"        // detail: the new one
	LogHands            = "hands"        // detail: the setting
	LogBroughtUp        = "brought_up"   // from the queue, in its order
	LogOutOfOrder       = "out_of_order" // from the queue, before others; detail: its rule
	LogInvited          = "invited"      // on stage, by asking
	LogMovedToAudience  = "moved_to_audience"
	LogModeratorMade    = "moderator_made"
	LogModeratorUnmade  = "moderator_unmade"
	LogSilenced         = "silenced"
	LogSilenceLifted    = "silence_lifted"
	LogMuted            = "muted"
	LogMutedAll         = "muted_all"
	LogRemoved          = "removed" // detail: the reason's code
	LogRemovalUndone    = "removal_undone"
	LogHandLowered      = "hand_lowered"
	LogHandsLowered     = "hands_lowered"
	LogHostChanged      = "host_changed"      // by nobody when the host has gone
	LogVisibility       = "visibility"        // detail: the kind from now on
	LogVisibilityKept   = "visibility_kept"   // a change was called off
	LogAttribution      = "attribution"       // detail: the one from now on
	LogAttributionAsked = "attribution_asked" // detail: the one wished for
	LogQueueRule        = "queue_rule"        // detail: the rule
	LogTimer            = "timer"             // detail: seconds
	LogTimerCleared     = "timer_cleared"
	LogPinned           = "pinned" // detail: the link
	LogUnpinned         = "unpinned"
	LogAgenda           = "agenda"
	LogChatSetting      = "chat_setting"      // detail: mode and seconds of slow mode
	LogQuestionsSetting = "questions_setting" // detail: on, anonymous or off
)

// entry is something to be logged with the rows of a transition.
type entry struct {
	by     besedka.AccountID
	action string
	target besedka.ParticipantID
	detail string
}

// log notes an action of by for the room's log; target and detail may be "".
func (s *State) log(by besedka.AccountID, action string, target besedka.AccountID, detail string) {
	s.out.log = append(s.out.log, entry{by, action, target.Participant(), detail})
}

// maxUnlogged bounds the entries that wait for a database that is away.
const maxUnlogged = 200

// logLater is log for what must not wait for the database: Tidy writes it.
func (s *State) logLater(by besedka.AccountID, action string, target besedka.AccountID) {
	if n := int64(len(s.unlogged.rows)); n < maxUnlogged {
		s.unlogged.put(n, entry{by, action, target.Participant(), ""})
	}
}

// logLeft logs what logLater has left.
func (s *State) logLeft() {
	for _, n := range slices.Sorted(maps.Keys(s.unlogged.rows)) {
		s.out.log = append(s.out.log, s.unlogged.rows[n])
	}
	s.unlogged.dropAll()
}

// AppendLog adds one entry to the room's log in a transaction of the caller,
// who has made sure that by may do it. It takes the room's lock, so it has to
// come before the transaction's first Publish. target and detail may be ""; the
// detail is shown to everybody in the room, so it names nobody.
func AppendLog(tx *db.Tx, room besedka.RoomID, by besedka.AccountID, action string, target besedka.AccountID, detail string) error {
	var version int64
	err := tx.QueryRow(`SELECT version FROM rooms WHERE id = $1`+tx.ForUpdate(), room).Scan(&version)
	if errors.Is(err, sql.ErrNoRows) {
		return besedka.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("log in room %s: %w", room, err)
	}
	return appendLog(tx, room, []entry{{by, action, target.Participant(), detail}})
}

// appendLog adds entries; the room's lock must be held.
func appendLog(tx *db.Tx, room besedka.RoomID, entries []entry) error {
	if len(entries) == 0 {
		return nil
	}
	var last int64
	err := tx.QueryRow(`SELECT COALESCE(MAX(number), 0) FROM room_log WHERE room_id = $1`, room).Scan(&last)
	if err != nil {
		return fmt.Errorf("log in room %s: %w", room, err)
	}
	for _, e := range entries {
		last++
		detail := []rune(e.detail)
		_, err := tx.Exec(`INSERT INTO room_log (room_id, number, at, actor, action, target, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			room, last, tx.Millis(), e.by, e.action, e.target, string(detail[:min(len(detail), maxLogDetail)]))
		if err != nil {
			return fmt.Errorf("log in room %s: %w", room, err)
		}
	}
	if last <= KeepLog {
		return nil
	}
	if _, err := tx.Exec(`DELETE FROM room_log WHERE room_id = $1 AND number <= $2`, room, last-KeepLog); err != nil {
		return fmt.Errorf("shorten the log of room %s: %w", room, err)
	}
	return nil
}

// LogEntry is one action as people in the room see it.
type LogEntry struct {
	At     time.Time `json:"at"`
	By     *Person   `json:"by" doc:"Null when nobody decided it, as when the host has gone and another moderator goes on, and where it was somebody whom I am not shown."`
	Action string    `json:"action"`
	Target *Person   `json:"target" doc:"Whom it met: for moderators only, null for others."`
	Detail string    `json:"detail" doc:"What was set, as a code or as text, where there is something to say."`
}

// LogPage is a part of a room's log, the newest entry first. Next asks for
// the older ones; it is null when there are none.
type LogPage struct {
	Entries []LogEntry `json:"entries"`
	Next    *string    `json:"next"`
}

// Log reads the room's log for somebody who is inside: the newest entries, or
// those that follow a page whose Next is after.
func (s *Service) Log(ctx context.Context, room besedka.RoomID, a Actor, after string) (*LogPage, error) {
	c, err := s.find(ctx, room)
	if err != nil {
		return nil, err
	}
	if err := s.see(ctx, c, a); err != nil {
		return nil, err
	}
	if a.Who.IsGuest() {
		return nil, ErrGuestsListen
	}
	c.mu.RLock()
	err = c.state.needSeat(a.Who.Account())
	moderates := c.state.Role(a.Who).Moderates()
	c.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	before := int64(1) << 62
	if after != "" {
		if before, err = strconv.ParseInt(after, 10, 64); err != nil {
			return nil, besedka.ErrInvalid.In("after")
		}
	}
	unseen := func(besedka.AccountID) bool { return false }
	if !moderates {
		a = s.tied(ctx, a)
		unseen = func(account besedka.AccountID) bool { return a.blockedBy(account) }
	}
	return s.logPage(ctx, room, before, moderates, unseen)
}

func (s *Service) logPage(ctx context.Context, room besedka.RoomID, before int64, moderates bool, unseen func(besedka.AccountID) bool) (*LogPage, error) {
	entries, err := s.rows.log(ctx, room, before, logPage+1)
	if err != nil {
		return nil, err
	}
	page := &LogPage{Entries: []LogEntry{}}
	if len(entries) > logPage {
		entries = entries[:logPage]
		next := strconv.FormatInt(entries[logPage-1].number, 10)
		page.Next = &next
	}
	var ids []besedka.AccountID
	for _, e := range entries {
		for _, account := range []besedka.AccountID{e.by, e.target.Account()} {
			if account != "" {
				ids = append(ids, account)
			}
		}
	}
	people := s.people.show(ctx, ids)
	for _, e := range entries {
		shown := LogEntry{At: e.at, Action: e.action, Detail: e.detail}
		if e.by != "" && !unseen(e.by) {
			by := people[e.by]
			shown.By = &by
		}
		if moderates && e.target != "" {
			target := people[e.target.Account()]
			if e.target.IsGuest() {
				target = Person{ID: besedka.AccountID(e.target)}
			}
			shown.Target = &target
		}
		page.Entries = append(page.Entries, shown)
	}
	return page, nil
}

// logRow is an entry as it stands in the rows.
type logRow struct {
	entry
	number int64
	at     time.Time
}

// log reads at most limit entries with a number below before, the newest first.
func (s store) log(ctx context.Context, room besedka.RoomID, before int64, limit int) ([]logRow, error) {
	var entries []logRow
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		entries = nil
		rows, err := tx.Query(`SELECT number, at, actor, action, target, detail FROM room_log
			WHERE room_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3`, room, before, limit)
		return each(rows, err, func(scan scanner) error {
			var e logRow
			var at int64
			err := scan(&e.number, &at, &e.by, &e.action, &e.target, &e.detail)
			e.at = fromMillis(at)
			entries = append(entries, e)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the log of room %s: %w", room, err)
	}
	return entries, nil
}
