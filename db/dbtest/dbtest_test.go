package dbtest

import (
	"context"
	"strings"
	"testing"

	"besedka/db"
)

func TestEveryTestGetsAnEmptyDatabase(t *testing.T) {
	for range 2 {
		Each(t, func(t *testing.T, d *db.DB) {
			if dump := Dump(t, d); strings.Contains(dump, "canary") {
				t.Fatal("a row of another test is here")
			}
			err := d.Write(context.Background(), func(tx *db.Tx) error { return tx.SetSetting("mine", "canary") })
			if err != nil {
				t.Fatal(err)
			}
			if dump := Dump(t, d); !strings.Contains(dump, "settings.value=canary") {
				t.Fatalf("the dump does not show what was written:\n%s", dump)
			}
		})
	}
}
