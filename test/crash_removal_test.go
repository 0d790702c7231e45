package test

import (
	"database/sql"
	"net/http"
	"path/filepath"
	"testing"
	"time"
)

// TestRemovalWhileTheDatabaseIsAwaySurvivesAKill keeps the server from writing
// by holding the database's only lock.
func TestRemovalWhileTheDatabaseIsAwaySurvivesAKill(t *testing.T) {
	w := begin(t)
	host, loud := w.founder(), w.member(0)
	room := host.must(http.MethodPost, "/rooms", object{"kind": "open"}).text("id")
	loud.must(http.MethodPut, "/rooms/"+room+"/seat", nil)
	file, err := sql.Open("sqlite", "file:"+filepath.ToSlash(w.file())+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lock, err := file.Begin()
	if err != nil {
		t.Fatal(err)
	}
	from := time.Now()
	host.must(http.MethodDelete, "/rooms/"+room+"/participants/"+loud.id+"?reason=noise", nil)
	w.kill()
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	t.Logf("removed in %s without the database", time.Since(from).Round(time.Millisecond))
	if _, err := w.start(); err != nil {
		t.Fatal(err)
	}
	loud.refused(http.StatusForbidden, "removed_from_room", http.MethodPut, "/rooms/"+room+"/seat", nil)
	host.must(http.MethodDelete, "/rooms/"+room+"/removals/"+loud.id, nil)
}
