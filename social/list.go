package social

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"besedka"
	"besedka/db"
)

// PageAtMost is how many accounts a page of a list has.
const PageAtMost = 50

// Page is a part of a list: Next asks for the part after it, and is empty at the end.
type Page struct {
	Accounts []besedka.AccountID
	Next     string
}

// FollowersPage gives who follows the account, the latest first. after is Page.Next,
// or "" for the first page; ErrPageInvalid if it is neither. Who follows or stops
// following meanwhile neither repeats nor hides others.
func (s *Service) FollowersPage(ctx context.Context, account besedka.AccountID, after string) (Page, error) {
	return s.page(ctx, `SELECT follower_id, created_at FROM follows
		WHERE followed_id = $1 AND (created_at < $2 OR created_at = $2 AND follower_id > $3)
		ORDER BY created_at DESC, follower_id LIMIT $4`, account, after)
}

// FollowingPage gives whom the account follows, otherwise as FollowersPage.
func (s *Service) FollowingPage(ctx context.Context, account besedka.AccountID, after string) (Page, error) {
	return s.page(ctx, `SELECT followed_id, created_at FROM follows
		WHERE follower_id = $1 AND (created_at < $2 OR created_at = $2 AND followed_id > $3)
		ORDER BY created_at DESC, followed_id LIMIT $4`, account, after)
}

func (s *Service) page(ctx context.Context, query string, account besedka.AccountID, after string) (Page, error) {
	since, id, err := position(after)
	if err != nil {
		return Page{}, err
	}
	var p Page
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		p = Page{Accounts: []besedka.AccountID{}}
		rows, err := tx.Query(query, string(account), since, id, PageAtMost+1)
		if err != nil {
			return err
		}
		defer rows.Close()
		var last int64
		for rows.Next() {
			if len(p.Accounts) == PageAtMost {
				p.Next = strconv.FormatInt(last, 36) + "-" + string(p.Accounts[PageAtMost-1])
				break
			}
			var id besedka.AccountID
			if err := rows.Scan(&id, &last); err != nil {
				return err
			}
			p.Accounts = append(p.Accounts, id)
		}
		return rows.Err()
	})
	if err != nil {
		return Page{}, fmt.Errorf("list follows: %w", err)
	}
	return p, nil
}

// position is where a page begins: behind an edge of this time to this account.
func position(after string) (since int64, id string, err error) {
	if after == "" {
		return math.MaxInt64, "", nil
	}
	number, id, found := strings.Cut(after, "-")
	since, err = strconv.ParseInt(number, 36, 64)
	if err != nil || !found || len(id) > 64 {
		return 0, "", ErrPageInvalid
	}
	return since, id, nil
}

// FollowersOfMine gives how many of those whom viewer follows follow the account, and the
// few of them whom viewer followed last.
func (s *Service) FollowersOfMine(ctx context.Context, viewer, account besedka.AccountID, few int) (count int, ids []besedka.AccountID, err error) {
	const both = ` FROM follows mine JOIN follows theirs ON theirs.follower_id = mine.followed_id AND theirs.followed_id = $2 WHERE mine.follower_id = $1`
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		ids = []besedka.AccountID{}
		if err := tx.QueryRow(`SELECT COUNT(*)`+both, string(viewer), string(account)).Scan(&count); err != nil {
			return err
		}
		return each(tx, func(id besedka.AccountID) { ids = append(ids, id) },
			`SELECT mine.followed_id`+both+` ORDER BY mine.created_at DESC, mine.followed_id LIMIT $3`, string(viewer), string(account), few)
	})
	if err != nil {
		return 0, nil, fmt.Errorf("ask for mutual follows: %w", err)
	}
	return count, ids, nil
}
