package db_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"besedka/db"
	"besedka/db/dbtest"
)

func TestBackupTakenAtWorkComesBackWhole(t *testing.T) {
	ctx := context.Background()
	d := dbtest.Store{Dir: t.TempDir()}.Open(t, time.Now)
	for range 50 {
		publish(t, d, "room:a", "room_titled")
	}
	var wg sync.WaitGroup
	stop, cancel := context.WithCancel(ctx)
	wg.Go(func() {
		for stop.Err() == nil {
			_ = d.Write(stop, func(tx *db.Tx) error {
				_, err := tx.Publish("room:a", "room_titled", nil, nil)
				return err
			})
		}
	})
	file := filepath.Join(t.TempDir(), "backup")
	if err := d.Backup(ctx, file); err != nil {
		t.Fatal(err)
	}
	cancel()
	wg.Wait()
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	if err := d.Backup(ctx, file); !errors.Is(err, fs.ErrExist) {
		t.Errorf("an older backup is overwritten: %v", err)
	}

	o := db.Options{Dir: filepath.Join(t.TempDir(), "new"), Now: time.Now, Log: dbtest.Log(t)}
	if err := db.Restore(ctx, file, o); err != nil {
		t.Fatal(err)
	}
	if err := db.Restore(ctx, file, o); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a database is overwritten: %v", err)
	}
	restored := dbtest.Store{Dir: o.Dir}.Open(t, time.Now)
	oldest, head, err := restored.Head(ctx, "room:a")
	if err != nil || oldest != 1 || head < 50 {
		t.Errorf("oldest %d, head %d, error %v", oldest, head, err)
	}
	facts, err := restored.FactsAfter(ctx, "room:a", head-1, 10)
	if err != nil || len(facts) != 1 {
		t.Errorf("facts %v, error %v", facts, err)
	}
}

func TestWhatIsNoBackupIsNotRestored(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	file := filepath.Join(dir, "letter")
	if err := os.WriteFile(file, []byte("Dear all, this is a letter and no database at all."), 0o600); err != nil {
		t.Fatal(err)
	}
	o := db.Options{Dir: filepath.Join(dir, "new"), Now: time.Now, Log: dbtest.Log(t)}
	if err := db.Restore(ctx, file, o); err == nil {
		t.Error("a letter was restored")
	}
	if _, err := os.Stat(filepath.Join(o.Dir, db.SQLiteFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something is left: %v", err)
	}
}

func TestDamageIsFound(t *testing.T) {
	dir := t.TempDir()
	d, err := db.Open(context.Background(), db.Options{Dir: dir, Now: time.Now, Log: dbtest.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		publish(t, d, "room:a", "room_titled")
	}
	if err := errors.Join(d.Verify(context.Background()), d.Close()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, db.SQLiteFile)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(file) - 6*4096; i < len(file); i += 3 {
		file[i] ^= 0xff
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err = db.Open(context.Background(), db.Options{Dir: dir, Now: time.Now, Log: dbtest.Log(t)})
	if err != nil {
		return // found even sooner
	}
	defer d.Close()
	if d.Verify(context.Background()) == nil {
		t.Error("the database is damaged and nobody says so")
	}
}
