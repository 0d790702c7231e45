package room

import (
	"fmt"

	"besedka"
	"besedka/db"
)

// The rows of the ways into a room and on its stage, and of what people show there.

// writeWays adds what reactions, links and hiding have to write.
func (s *State) writeWays(w *writes) {
	if s.info.StageReactions != s.before.info.StageReactions {
		w.add(`UPDATE rooms SET stage_reactions = $2 WHERE id = $1`, bit(s.info.StageReactions))
	}
	if s.Ended() && s.before.info.EndedAt.IsZero() {
		w.add(`DELETE FROM room_hidden WHERE room_id = $1`)
	}
	for _, c := range s.links.changes() {
		l := c.now.value
		w.row(c.now.there, besedka.AccountID(c.key), linksTable, l.Hash, l.By, millis(l.ExpiresAt), l.UsedBy)
	}
}

var linksTable = rowsTable{
	`INSERT INTO room_speaker_links (room_id, id, hash, made_by, expires_at, used_by) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (room_id, id) DO UPDATE SET used_by = excluded.used_by`,
	`DELETE FROM room_speaker_links WHERE room_id = $1 AND id = $2`,
}

func loadWays(tx *db.Tx, room besedka.RoomID, st *State) error {
	var reactions int64
	if err := tx.QueryRow(`SELECT stage_reactions FROM rooms WHERE id = $1`, room).Scan(&reactions); err != nil {
		return fmt.Errorf("load settings of room %s: %w", room, err)
	}
	st.info.StageReactions = reactions != 0
	rows, err := tx.Query(`SELECT id, hash, made_by, expires_at, used_by FROM room_speaker_links WHERE room_id = $1`, room)
	return each(rows, err, func(scan scanner) error {
		var id string
		var l speakerLink
		var expires int64
		err := scan(&id, &l.Hash, &l.By, &expires, &l.UsedBy)
		l.ExpiresAt = fromMillis(expires)
		st.links.rows[id] = l
		return err
	})
}
