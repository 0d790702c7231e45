package social

import (
	"context"
	"fmt"

	"besedka"
	"besedka/db"
)

// Ringing lists at most limit of the account's followers who want to be told
// of every room it opens, those who have followed longest first.
func (s *Service) Ringing(ctx context.Context, account besedka.AccountID, limit int) ([]besedka.AccountID, error) {
	var ids []besedka.AccountID
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		ids = nil
		rows, err := tx.Query(`SELECT follower_id FROM follows WHERE followed_id = $1 AND bell = 'always'
			ORDER BY created_at, follower_id LIMIT $2`, string(account), limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id besedka.AccountID
			if err := rows.Scan(&id); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("whose bell rings: %w", err)
	}
	return ids, nil
}
