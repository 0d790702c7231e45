package room

import (
	"slices"
	"time"

	"besedka"
)

// statement is one change of rows; its first argument is always the room's id.
type statement struct {
	query string
	args  []any
}

// writes is what a transition leaves for the database.
type writes struct {
	info       Info
	statements []statement
	facts      []fact
	log        []entry
}

// topics lists where the facts are told, each once.
func (w writes) topics() []besedka.Topic {
	var topics []besedka.Topic
	for _, f := range w.facts {
		topic := besedka.RoomTopic(w.info.ID)
		if f.account != "" {
			topic = besedka.AccountTopic(f.account)
		}
		if !slices.Contains(topics, topic) {
			topics = append(topics, topic)
		}
	}
	return topics
}

func (w writes) empty() bool { return len(w.statements)+len(w.facts)+len(w.log) == 0 }

// writes derives, without touching the state, which rows differ from before
// the running transition and which facts are to be told.
func (s *State) writes() writes {
	w := writes{info: s.info, facts: s.out.facts, log: s.out.log}
	if s.info != s.before.info && s.before.info.ID != "" {
		w.add(`UPDATE rooms SET title = $2, host = $3, hands = $4, second_came = $5, last_csrc = $6, last_hand = $7,
			ended_at = $8 WHERE id = $1`, s.info.Title, s.info.Host, s.info.Hands, bit(s.info.SecondCame),
			int64(s.info.LastCSRC), s.info.LastHand, millis(s.info.EndedAt))
	}
	for _, c := range s.stage.changes() {
		p := c.now.value
		w.row(c.now.there, c.key, stageTable, p.Role, millis(p.Since), p.AppointedBy)
	}
	for _, c := range s.voices.changes() {
		w.row(c.now.there, c.key, voicesTable, int64(c.now.value.CSRC), c.now.value.SilencedBy)
	}
	for _, c := range s.removals.changes() {
		r := c.now.value
		w.row(c.now.there, besedka.AccountID(c.key), removalsTable, r.By, r.Reason, r.Note, millis(r.At))
	}
	for _, c := range s.picks.changes() {
		w.row(c.now.there, c.key, picksTable, c.now.value.By, millis(c.now.value.At))
	}
	s.writeWishes(&w)
	return w
}

// writeWishes adds hands and invitations. When the room ends all of them go at once.
func (s *State) writeWishes(w *writes) {
	if s.Ended() && s.before.info.EndedAt.IsZero() {
		w.add(`DELETE FROM room_hands WHERE room_id = $1`)
		w.add(`DELETE FROM room_stage_invitations WHERE room_id = $1`)
		return
	}
	for _, c := range s.hands.changes() {
		h := c.now.value
		w.row(c.now.there, c.key, handsTable, h.Number, h.Note, millis(h.RaisedAt))
	}
	for _, c := range s.invited.changes() {
		w.row(c.now.there, c.key, invitedTable, c.now.value.By, millis(c.now.value.At))
	}
}

func (w *writes) add(query string, args ...any) {
	w.statements = append(w.statements, statement{query, append([]any{w.info.ID}, args...)})
}

// row adds the writing or deleting of one row that belongs to somebody.
func (w *writes) row(there bool, who besedka.AccountID, t rowsTable, values ...any) {
	if !there {
		w.add(t.remove, who)
		return
	}
	w.add(t.write, append([]any{who}, values...)...)
}

// rowsTable holds the statements of a table whose rows belong to somebody in a room.
type rowsTable struct{ write, remove string }

var (
	stageTable = rowsTable{
		`INSERT INTO room_stage (room_id, account_id, role, since, appointed_by) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (room_id, account_id) DO UPDATE SET role = excluded.role, since = excluded.since,
			appointed_by = excluded.appointed_by`,
		`DELETE FROM room_stage WHERE room_id = $1 AND account_id = $2`,
	}
	voicesTable = rowsTable{
		`INSERT INTO room_voices (room_id, account_id, csrc, silenced_by) VALUES ($1, $2, $3, $4)
			ON CONFLICT (room_id, account_id) DO UPDATE SET silenced_by = excluded.silenced_by`,
		`DELETE FROM room_voices WHERE room_id = $1 AND account_id = $2`,
	}
	handsTable = rowsTable{
		`INSERT INTO room_hands (room_id, account_id, number, note, raised_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (room_id, account_id) DO UPDATE SET number = excluded.number, note = excluded.note,
			raised_at = excluded.raised_at`,
		`DELETE FROM room_hands WHERE room_id = $1 AND account_id = $2`,
	}
	invitedTable = rowsTable{
		`INSERT INTO room_stage_invitations (room_id, account_id, invited_by, invited_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (room_id, account_id) DO UPDATE SET invited_by = excluded.invited_by, invited_at = excluded.invited_at`,
		`DELETE FROM room_stage_invitations WHERE room_id = $1 AND account_id = $2`,
	}
	removalsTable = rowsTable{
		`INSERT INTO room_removals (room_id, participant_id, removed_by, reason, note, removed_at)
			VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (room_id, participant_id) DO UPDATE SET removed_by = excluded.removed_by,
			reason = excluded.reason, note = excluded.note, removed_at = excluded.removed_at`,
		`DELETE FROM room_removals WHERE room_id = $1 AND participant_id = $2`,
	}
	picksTable = rowsTable{
		`INSERT INTO room_picks (room_id, account_id, picked_by, picked_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (room_id, account_id) DO UPDATE SET picked_by = excluded.picked_by, picked_at = excluded.picked_at`,
		`DELETE FROM room_picks WHERE room_id = $1 AND account_id = $2`,
	}
)

// millis is a time as it stands in the tables; the zero time is 0.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
