package db_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"besedka/db"
	"besedka/db/dbtest"
)

func TestTableThatWasSmallIsNotReadAsAWhole(t *testing.T) {
	ctx, store := context.Background(), dbtest.Store{Dir: t.TempDir()}
	add := func(d *db.DB, from, to int) {
		err := d.Write(ctx, func(tx *db.Tx) error {
			for i := from; i < to; i++ {
				if _, err := tx.Exec(`INSERT INTO credentials (id, hash, kind, user_agent, created_at, last_seen_at, expires_at)
					VALUES ($1, $1, 'token', '', 0, 0, $2)`, fmt.Sprint(i), 1<<50); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	d := store.Open(t, time.Now)
	add(d, 0, 1)
	plan(t, d) // whatever is asked for is what SQLite counts when it closes
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = store.Open(t, time.Now)
	add(d, 1, 3000)
	if p := plan(t, d); !strings.Contains(p, "SEARCH") || strings.Contains(p, "SCAN") {
		t.Errorf("a credential is looked for by: %s", p)
	}
}

// plan is how SQLite looks for a credential.
func plan(t *testing.T, d *db.DB) (how string) {
	t.Helper()
	const query = `SELECT c.id, a.founder FROM credentials c LEFT JOIN accounts a ON a.id = c.account_id WHERE c.hash = $1 AND c.expires_at > $2`
	err := d.Write(context.Background(), func(tx *db.Tx) error {
		rows, err := tx.Query(query, "7", 5)
		if err != nil {
			return err
		}
		if err := rows.Close(); err != nil {
			return err
		}
		var id, parent, unused int
		return tx.QueryRow(`EXPLAIN QUERY PLAN `+query, "7", 5).Scan(&id, &parent, &unused, &how)
	})
	if err != nil {
		t.Fatal(err)
	}
	return how
}

func TestReadersAtOnceDoNotWaitForEachOthersStatements(t *testing.T) {
	d := dbtest.Store{Dir: t.TempDir()}.Open(t, time.Now)
	var busy sync.WaitGroup
	for i := range 32 {
		busy.Go(func() {
			for j := range 40 { // more queries than are kept, in no order
				n, want := 0, (i*40+j)%300
				err := d.Read(context.Background(), func(tx *db.Tx) error {
					return tx.QueryRow(fmt.Sprintf(`SELECT $1 + %d`, want), 1).Scan(&n)
				})
				if err != nil || n != want+1 {
					t.Errorf("%d, %v", n, err)
					return
				}
			}
		})
	}
	busy.Wait()
}
