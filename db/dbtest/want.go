package dbtest

import (
	"errors"
	"slices"
	"testing"

	"besedka"
	"besedka/db"
)

// WantCode demands an error.
func WantCode(t testing.TB, what string, err error, want *besedka.Error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %q", what, err, want.Code)
	}
}

// Want demands a list.
func Want(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// Blocks are pairs of accounts of which the first blocks the second.
type Blocks [][2]besedka.AccountID

// Of gives, of each of the accounts, whom it blocks and who blocks it.
func (b Blocks) Of(accounts []besedka.AccountID) (blocked, blockers map[besedka.AccountID][]besedka.AccountID) {
	blocked, blockers = map[besedka.AccountID][]besedka.AccountID{}, map[besedka.AccountID][]besedka.AccountID{}
	for _, p := range b {
		if slices.Contains(accounts, p[0]) {
			blocked[p[0]] = append(blocked[p[0]], p[1])
		}
		if slices.Contains(accounts, p[1]) {
			blockers[p[1]] = append(blockers[p[1]], p[0])
		}
	}
	return blocked, blockers
}

// OpenRoom writes the row of an open room, for packages that keep rows of rooms.
func OpenRoom(t testing.TB, d *db.DB, room besedka.RoomID) {
	t.Helper()
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO rooms (id, title, kind, host, hands, guests_allowed, second_came, last_csrc, last_hand, started_at,
			ended_at, version) VALUES ($1, '', 'open', 'host', 'everyone', 0, 0, 0, 0, 0, 0, 1)`, room)
		return err
	})
	if err != nil {
		t.Fatalf("open room: %v", err)
	}
}
