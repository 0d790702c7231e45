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
		w.room(s.info)
	}
	for _, c := range s.stage.changes() {
		p := c.now.value
		w.row(c.now.there, c.key, stageTable, p.Role, millis(p.Since), p.AppointedBy)
	}
	for _, c := range s.voices.changes() {
		w.row(c.now.there, c.key, voicesTable, int64(c.now.value.CSRC), c.now.value.SilencedBy, c.now.value.Airtime.Milliseconds())
	}
	for _, c := range s.removals.changes() {
		r := c.now.value
		w.row(c.now.there, besedka.AccountID(c.key), removalsTable, r.By, r.Reason, r.Note, millis(r.At))
	}
	for _, c := range s.picks.changes() {
		w.row(c.now.there, c.key, picksTable, c.now.value.By, millis(c.now.value.At), bit(c.now.value.Pinged))
	}
	for _, c := range s.agreed.changes() {
		w.row(c.now.there, c.key, agreedTable)
	}
	for _, c := range s.served.changes() {
		w.row(c.now.there, besedka.AccountID(c.key), groupsTable, c.now.value)
	}
	s.writeText(&w)
	s.writeWays(&w)
	s.writeShares(&w)
	s.writeWishes(&w)
	return w
}

// room adds the writing of the room's own row.
func (w *writes) room(i Info) {
	w.add(`UPDATE rooms SET title = $2, kind = $3, host = $4, hands = $5, second_came = $6, last_csrc = $7, last_hand = $8,
		ended_at = $9, attribution = $10, queue_rule = $11, last_served = $12, untold = $13, widen_to = $14, widen_by = $15,
		widen_at = $16, attribution_to = $17, attribution_by = $18, timer_account = $19, timer_by = $20, timer_seconds = $21,
		timer_from = $22 WHERE id = $1`, i.Title, i.Kind, i.Host, i.Hands, bit(i.SecondCame), int64(i.LastCSRC), i.LastHand,
		millis(i.EndedAt), i.Attribution, i.Queue, i.LastServed, bit(i.Untold), i.Widening.To, i.Widening.By,
		millis(i.Widening.At), i.Asked.To, i.Asked.By, i.Timer.Account, i.Timer.By, i.Timer.Seconds, millis(i.Timer.From))
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
		w.row(c.now.there, c.key, handsTable, h.Number, h.Lot, h.Group, h.Note, millis(h.RaisedAt))
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
		`INSERT INTO room_voices (room_id, account_id, csrc, silenced_by, airtime_ms) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (room_id, account_id) DO UPDATE SET silenced_by = excluded.silenced_by, airtime_ms = excluded.airtime_ms`,
		`DELETE FROM room_voices WHERE room_id = $1 AND account_id = $2`,
	}
	handsTable = rowsTable{
		`INSERT INTO room_hands (room_id, account_id, number, lot, party, note, raised_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (room_id, account_id) DO UPDATE SET number = excluded.number, lot = excluded.lot, party = excluded.party,
			note = excluded.note, raised_at = excluded.raised_at`,
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
	agreedTable = rowsTable{
		`INSERT INTO room_agreements (room_id, account_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
		`DELETE FROM room_agreements WHERE room_id = $1 AND account_id = $2`,
	}
	groupsTable = rowsTable{
		`INSERT INTO room_parties (room_id, party, served) VALUES ($1, $2, $3)
			ON CONFLICT (room_id, party) DO UPDATE SET served = excluded.served`,
		`DELETE FROM room_parties WHERE room_id = $1 AND party = $2`,
	}
	picksTable = rowsTable{
		`INSERT INTO room_picks (room_id, account_id, picked_by, picked_at, pinged) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (room_id, account_id) DO UPDATE SET picked_by = excluded.picked_by, picked_at = excluded.picked_at,
			pinged = excluded.pinged`,
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
