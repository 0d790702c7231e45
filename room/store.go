package room

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"besedka"
	"besedka/db"
)

// store keeps rooms as rows. A room's own row carries a version that every
// transaction raises under the row's lock: whoever writes must have seen the
// version before, so a state in memory is either exact or loaded anew.
type store struct{ db *db.DB }

// rows is what the service asks of store.
type rows interface {
	save(ctx context.Context, version int64, w writes) (seq int64, err error)
	load(ctx context.Context, room besedka.RoomID) (st *State, version, seq int64, err error)
	open(ctx context.Context) ([]besedka.RoomID, error)
	versions(ctx context.Context) (map[besedka.RoomID]int64, error)
	prune(ctx context.Context, before time.Time, limit int) (n int, err error)
	pins(ctx context.Context, room besedka.RoomID) ([]PastPin, error)
	hide(ctx context.Context, room besedka.RoomID, account besedka.AccountID, hide bool) error
	hidden(ctx context.Context, account besedka.AccountID) ([]besedka.RoomID, error)
	log(ctx context.Context, room besedka.RoomID, before int64, limit int) ([]logRow, error)
}

// errStale means that the room's rows are not those that the state was made of.
var errStale = errors.New("the room has been changed elsewhere")

// factRecipients bounds the recipients of one fact; more get a fact of their own.
const factRecipients = 900

// save writes what a transition changed, and its facts, in one transaction. It
// returns the number of the room's newest fact, 0 when there was none. version
// is what the state was made of; 0 begins a room.
func (s store) save(ctx context.Context, version int64, w writes) (seq int64, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		if err := claim(tx, version, w.info); err != nil {
			return err
		}
		for _, st := range w.statements {
			if _, err := tx.Exec(st.query, st.args...); err != nil {
				return fmt.Errorf("write room %s: %w", w.info.ID, err)
			}
		}
		if err := appendLog(tx, w.info.ID, w.log); err != nil {
			return err
		}
		seq, err = publish(tx, w.info.ID, w.facts)
		return err
	})
	return seq, err
}

// claim takes the room's lock and raises its version, or begins the room.
func claim(tx *db.Tx, version int64, info Info) error {
	if version == 0 {
		return begin(tx, info)
	}
	var present int64
	err := tx.QueryRow(`SELECT version FROM rooms WHERE id = $1`+tx.ForUpdate(), info.ID).Scan(&present)
	if err != nil {
		return fmt.Errorf("lock room %s: %w", info.ID, err)
	}
	if present != version {
		return errStale
	}
	_, err = tx.Exec(`UPDATE rooms SET version = $2 WHERE id = $1`, info.ID, version+1)
	return err
}

func begin(tx *db.Tx, info Info) error {
	var hosted int
	err := tx.QueryRow(`SELECT COUNT(*) FROM rooms WHERE ended_at = 0 AND host = $1`, info.Host).Scan(&hosted)
	if err != nil {
		return fmt.Errorf("count rooms of %s: %w", info.Host, err)
	}
	if hosted >= MaxHosted {
		return ErrTooManyRooms
	}
	_, err = tx.Exec(`INSERT INTO rooms (id, title, kind, host, hands, guests_allowed, second_came, last_csrc, last_hand,
		started_at, language, attribution, queue_rule, untold, ended_at, version)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, 1)`,
		info.ID, info.Title, info.Kind, info.Host, info.Hands, bit(info.GuestsAllowed), bit(info.SecondCame),
		int64(info.LastCSRC), info.LastHand, millis(info.StartedAt), info.Language, info.Attribution, info.Queue, bit(info.Untold))
	if err != nil {
		return fmt.Errorf("open room: %w", err)
	}
	return nil
}

// publish tells the facts: the room's in their order, then those of accounts
// in the order of their topics, so that no two rooms wait for one another.
func publish(tx *db.Tx, room besedka.RoomID, facts []fact) (seq int64, err error) {
	facts = slices.Clone(facts)
	slices.SortStableFunc(facts, func(a, b fact) int { return cmp.Compare(a.account, b.account) })
	for _, f := range facts {
		if f.account != "" {
			if _, err := tx.Publish(besedka.AccountTopic(f.account), f.kind, nil, f.data); err != nil {
				return 0, err
			}
			continue
		}
		for _, to := range portions(f.to) {
			told, err := tx.Publish(besedka.RoomTopic(room), f.kind, to, f.data)
			if err != nil {
				return 0, err
			}
			seq = told.Seq
		}
	}
	return seq, nil
}

// portions cuts recipients into lists that one fact may carry; nil stays nil.
func portions(to []besedka.ParticipantID) [][]besedka.ParticipantID {
	if len(to) <= factRecipients {
		return [][]besedka.ParticipantID{to}
	}
	return slices.Collect(slices.Chunk(to, factRecipients))
}

// open lists the rooms that have not ended.
func (s store) open(ctx context.Context) ([]besedka.RoomID, error) {
	var ids []besedka.RoomID
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		ids = nil
		rows, err := tx.Query(`SELECT id FROM rooms WHERE ended_at = 0 ORDER BY started_at, id`)
		return each(rows, err, func(scan scanner) error {
			var id besedka.RoomID
			err := scan(&id)
			ids = append(ids, id)
			return err
		})
	})
	return ids, err
}

// versions gives those of all rooms that have not ended.
func (s store) versions(ctx context.Context) (map[besedka.RoomID]int64, error) {
	var versions map[besedka.RoomID]int64
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		versions = map[besedka.RoomID]int64{}
		rows, err := tx.Query(`SELECT id, version FROM rooms WHERE ended_at = 0`)
		return each(rows, err, func(scan scanner) error {
			var id besedka.RoomID
			var version int64
			err := scan(&id, &version)
			versions[id] = version
			return err
		})
	})
	return versions, err
}

// load reads a room's rows into a state without seats. The number of its
// newest fact is read first: the rows are at least as new.
func (s store) load(ctx context.Context, room besedka.RoomID) (st *State, version, seq int64, err error) {
	_, seq, err = s.db.Head(ctx, besedka.RoomTopic(room))
	if err != nil {
		return nil, 0, 0, fmt.Errorf("load room %s: %w", room, err)
	}
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		st = newState()
		if version, err = loadInfo(tx, room, &st.info); err != nil {
			return err
		}
		for _, part := range []func(*db.Tx, besedka.RoomID, *State) error{loadStage, loadVoices, loadHands,
			loadInvited, loadRemovals, loadPicks, loadAgreed, loadServed, loadText, loadWays, loadShares} {
			if err := part(tx, room, st); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, 0, 0, besedka.ErrNotFound
	}
	if err != nil {
		return nil, 0, 0, fmt.Errorf("load room %s: %w", room, err)
	}
	st.settle()
	return st, version, seq, nil
}

type scanner func(into ...any) error

// each hands every row to f and closes the rows.
func each(rows *sql.Rows, err error, f func(scan scanner) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

func loadInfo(tx *db.Tx, room besedka.RoomID, info *Info) (version int64, err error) {
	var guests, second, untold, started, ended, widenAt, timerFrom int64
	err = tx.QueryRow(`SELECT id, title, kind, host, hands, guests_allowed, second_came, last_csrc, last_hand, started_at,
		ended_at, language, attribution, queue_rule, last_served, untold, widen_to, widen_by, widen_at, attribution_to,
		attribution_by, timer_account, timer_by, timer_seconds, timer_from, version FROM rooms WHERE id = $1`, room).Scan(
		&info.ID, &info.Title, &info.Kind, &info.Host, &info.Hands, &guests, &second, &info.LastCSRC, &info.LastHand, &started,
		&ended, &info.Language, &info.Attribution, &info.Queue, &info.LastServed, &untold, &info.Widening.To, &info.Widening.By,
		&widenAt, &info.Asked.To, &info.Asked.By, &info.Timer.Account, &info.Timer.By, &info.Timer.Seconds, &timerFrom, &version)
	info.GuestsAllowed, info.SecondCame, info.Untold = guests != 0, second != 0, untold != 0
	info.StartedAt, info.EndedAt = fromMillis(started), fromMillis(ended)
	info.Widening.At, info.Timer.From = fromMillis(widenAt), fromMillis(timerFrom)
	return version, err
}

func loadStage(tx *db.Tx, room besedka.RoomID, st *State) error {
	rows, err := tx.Query(`SELECT account_id, role, since, appointed_by FROM room_stage WHERE room_id = $1`, room)
	return each(rows, err, func(scan scanner) error {
		var who besedka.AccountID
		var p Place
		var since int64
		err := scan(&who, &p.Role, &since, &p.AppointedBy)
		p.Since = fromMillis(since)
		st.stage.rows[who] = p
		return err
	})
}

func loadVoices(tx *db.Tx, room besedka.RoomID, st *State) error {
	rows, err := tx.Query(`SELECT account_id, csrc, silenced_by, airtime_ms FROM room_voices WHERE room_id = $1`, room)
	return each(rows, err, func(scan scanner) error {
		var who besedka.AccountID
		var v Voice
		var airtime int64
		err := scan(&who, &v.CSRC, &v.SilencedBy, &airtime)
		v.Airtime = time.Duration(airtime) * time.Millisecond
		st.voices.rows[who] = v
		return err
	})
}

func loadHands(tx *db.Tx, room besedka.RoomID, st *State) error {
	rows, err := tx.Query(`SELECT account_id, number, lot, party, note, raised_at FROM room_hands WHERE room_id = $1`, room)
	return each(rows, err, func(scan scanner) error {
		var who besedka.AccountID
		var h Hand
		var at int64
		err := scan(&who, &h.Number, &h.Lot, &h.Group, &h.Note, &at)
		h.RaisedAt = fromMillis(at)
		st.hands.rows[who] = h
		return err
	})
}

func loadInvited(tx *db.Tx, room besedka.RoomID, st *State) error {
	rows, err := tx.Query(`SELECT account_id, invited_by, invited_at FROM room_stage_invitations WHERE room_id = $1`, room)
	return each(rows, err, func(scan scanner) error {
		var who besedka.AccountID
		var i StageInvitation
		var at int64
		err := scan(&who, &i.By, &at)
		i.At = fromMillis(at)
		st.invited.rows[who] = i
		return err
	})
}

func loadRemovals(tx *db.Tx, room besedka.RoomID, st *State) error {
	rows, err := tx.Query(`SELECT participant_id, removed_by, reason, note, removed_at FROM room_removals WHERE room_id = $1`, room)
	return each(rows, err, func(scan scanner) error {
		var who besedka.ParticipantID
		var r Removal
		var at int64
		err := scan(&who, &r.By, &r.Reason, &r.Note, &at)
		r.At = fromMillis(at)
		st.removals.rows[who] = r
		return err
	})
}

func loadPicks(tx *db.Tx, room besedka.RoomID, st *State) error {
	rows, err := tx.Query(`SELECT account_id, picked_by, picked_at, pinged FROM room_picks WHERE room_id = $1`, room)
	return each(rows, err, func(scan scanner) error {
		var who besedka.AccountID
		var p Pick
		var at, pinged int64
		err := scan(&who, &p.By, &at, &pinged)
		p.At, p.Pinged = fromMillis(at), pinged != 0
		st.picks.rows[who] = p
		return err
	})
}

func loadAgreed(tx *db.Tx, room besedka.RoomID, st *State) error {
	rows, err := tx.Query(`SELECT account_id FROM room_agreements WHERE room_id = $1`, room)
	return each(rows, err, func(scan scanner) error {
		var who besedka.AccountID
		err := scan(&who)
		st.agreed.rows[who] = true
		return err
	})
}

func loadServed(tx *db.Tx, room besedka.RoomID, st *State) error {
	rows, err := tx.Query(`SELECT party, served FROM room_parties WHERE room_id = $1`, room)
	return each(rows, err, func(scan scanner) error {
		var group string
		var served int64
		err := scan(&group, &served)
		st.served.rows[group] = served
		return err
	})
}

// Running returns nil while the room is open, ErrEnded after its end, and
// besedka.ErrNotFound if there never was one. It is for commands that run
// beside the server and only ask.
func Running(ctx context.Context, d *db.DB, room besedka.RoomID) error {
	st, _, _, err := store{d}.load(ctx, room)
	switch {
	case err != nil:
		return err
	case st.Ended():
		return ErrEnded
	}
	return nil
}
