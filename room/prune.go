package room

import (
	"context"
	"time"

	"besedka"
	"besedka/db"
)

const (
	// keepEnded is how long the rows of a room stay after it has ended: who was
	// removed, what moderators did, and that it was there.
	keepEnded   = 30 * 24 * time.Hour
	pruneEvery  = time.Hour
	pruneAtOnce = 50 // rooms in one transaction, so that nobody waits long
)

// prune deletes what is kept of rooms that ended long ago.
func (s *Service) prune(ctx context.Context) {
	for {
		n, err := s.rows.prune(ctx, s.now().Add(-keepEnded), pruneAtOnce)
		if err != nil {
			if ctx.Err() == nil {
				s.log.Warn("rooms that ended long ago are not deleted", "error", err)
			}
			return
		}
		if n < pruneAtOnce {
			return
		}
	}
}

// prune deletes at most limit rooms that ended before a time, with all that
// belongs to them and their facts, and says how many.
func (s store) prune(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		var ids []besedka.RoomID
		rows, err := tx.Query(`SELECT id FROM rooms WHERE ended_at > 0 AND ended_at < $1 ORDER BY ended_at, id LIMIT $2`,
			millis(before), limit)
		err = each(rows, err, func(scan scanner) error {
			var id besedka.RoomID
			err := scan(&id)
			ids = append(ids, id)
			return err
		})
		if err != nil {
			return err
		}
		for _, id := range ids {
			if _, err := tx.Exec(`DELETE FROM rooms WHERE id = $1`, id); err != nil {
				return err
			}
			if err := tx.Forget(besedka.RoomTopic(id)); err != nil {
				return err
			}
		}
		n = len(ids)
		return nil
	})
	return n, err
}
