package social_test

import (
	"slices"
	"testing"

	"besedka"
	"besedka/db"
	"besedka/db/dbtest"
	"besedka/social"
)

func TestBellRingsForThoseWhoWantToBeToldOfEveryRoom(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := social.New(d)
		members(t, d, "host", "anna", "boris", "vera", "gleb")
		for who, bell := range map[besedka.AccountID]social.Bell{"anna": social.BellAlways, "boris": social.BellNever, "gleb": social.BellAlways} {
			follow(t, s, who, "host")
			if err := s.SetBell(ctx, who, "host", bell); err != nil {
				t.Fatal(err)
			}
		}
		follow(t, s, "vera", "host") // sometimes
		follow(t, s, "host", "vera")
		ringing := func(limit int) []besedka.AccountID {
			ids, err := s.Ringing(ctx, "host", limit)
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(ids)
			return ids
		}
		if got := ringing(10); !slices.Equal(got, []besedka.AccountID{"anna", "gleb"}) {
			t.Errorf("it rings for %v", got)
		}
		if got := ringing(1); len(got) != 1 {
			t.Errorf("it rings for %v, who are more than one", got)
		}
	})
}
