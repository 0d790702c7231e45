package db_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"besedka"
	"besedka/db"
	"besedka/db/dbtest"
)

// crashDir, when it is set, makes this program the one that is killed.
const crashDir = "BESEDKA_TEST_CRASH_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		writeUntilKilled(dir)
		return
	}
	os.Exit(m.Run())
}

// writeUntilKilled publishes facts for ever and says the number of each one that was acknowledged.
func writeUntilKilled(dir string) {
	d, err := db.Open(context.Background(), db.Options{Dir: dir, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	for err == nil {
		var f besedka.Fact
		err = d.Write(context.Background(), func(tx *db.Tx) (err error) {
			f, err = tx.Publish("room:a", "room_titled", nil, nil)
			return err
		})
		fmt.Println(f.Seq)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func TestNothingAcknowledgedIsLostByKill(t *testing.T) {
	dir := t.TempDir()
	var acknowledged int64
	for round := range 10 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), crashDir+"="+dir)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if acknowledged, err = strconv.ParseInt(lines.Text(), 10, 64); err != nil {
				t.Fatal(err)
			}
			if n == 13*round {
				if err := child.Process.Kill(); err != nil { // SIGKILL
					t.Fatal(err)
				}
			}
		}
		child.Wait()
		checkAfterKill(t, dir, acknowledged)
	}
	if acknowledged < 100 {
		t.Errorf("only %d facts were acknowledged: the child does not write", acknowledged)
	}
}

func checkAfterKill(t *testing.T, dir string, acknowledged int64) {
	t.Helper()
	d, err := db.Open(context.Background(), db.Options{Dir: dir, Now: time.Now, Log: dbtest.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	err = d.Read(context.Background(), func(tx *db.Tx) error {
		var verdict string
		var facts, newest int64
		if err := tx.QueryRow(`PRAGMA integrity_check`).Scan(&verdict); err != nil || verdict != "ok" {
			t.Errorf("integrity: %s, %v", verdict, err)
		}
		if err := tx.QueryRow(`SELECT COUNT(*), COALESCE(MAX(seq), 0) FROM facts`).Scan(&facts, &newest); err != nil {
			return err
		}
		if facts < acknowledged || facts != newest {
			t.Errorf("%d facts up to number %d, but %d were acknowledged", facts, newest, acknowledged)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
