package social_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"besedka"
	"besedka/db"
	"besedka/db/dbtest"
	"besedka/social"
)

func between(t *testing.T, s *social.Service, me, other besedka.AccountID) social.Edge {
	t.Helper()
	e, err := s.Between(ctx, me, other)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestBellBelongsToAFollow(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := social.New(d)
		members(t, d, "anna", "boris")
		if err := s.SetBell(ctx, "anna", "boris", social.BellAlways); !errors.Is(err, social.ErrNotFollowed) {
			t.Errorf("a bell for a stranger: %v", err)
		}
		follow(t, s, "anna", "boris")
		if e := between(t, s, "anna", "boris"); e != (social.Edge{Followed: true, Bell: social.BellSometimes}) {
			t.Errorf("%+v", e)
		}
		for _, bell := range []social.Bell{social.BellAlways, social.BellNever, social.BellAlways} {
			if err := s.SetBell(ctx, "anna", "boris", bell); err != nil || between(t, s, "anna", "boris").Bell != bell {
				t.Errorf("%s: %+v, error %v", bell, between(t, s, "anna", "boris"), err)
			}
		}
		if err := s.SetBell(ctx, "anna", "boris", "loud"); !errors.Is(err, social.ErrBellInvalid) {
			t.Errorf("a loud bell: %v", err)
		}
		follow(t, s, "anna", "boris") // again changes nothing
		if e := between(t, s, "anna", "boris"); e.Bell != social.BellAlways {
			t.Errorf("%+v", e)
		}
		if e := between(t, s, "boris", "anna"); e != (social.Edge{FollowsMe: true, Bell: social.BellSometimes}) {
			t.Errorf("%+v", e)
		}
		// Who follows anew is asked anew.
		if err := s.Unfollow(ctx, "anna", "boris"); err != nil {
			t.Fatal(err)
		}
		follow(t, s, "anna", "boris")
		if e := between(t, s, "anna", "boris"); e.Bell != social.BellSometimes {
			t.Errorf("%+v", e)
		}
	})
}

func TestPagesShowEverybodyOnce(t *testing.T) {
	dbtest.EachStore(t, func(t *testing.T, store dbtest.Store) {
		clock := dbtest.NewClock()
		d := store.Open(t, clock.Now)
		s := social.New(d)
		members(t, d, "anna", "nobody")
		var all []besedka.AccountID
		for i := range 120 {
			all = append(all, besedka.AccountID(fmt.Sprintf("m%03d", i)))
		}
		members(t, d, all...)
		for i, id := range all {
			if i%7 == 0 {
				clock.Advance(time.Millisecond) // several follow in one millisecond
			}
			follow(t, s, id, "anna")
			follow(t, s, "anna", id)
		}
		for name, list := range map[string]func(context.Context, besedka.AccountID, string) (social.Page, error){
			"followers": s.FollowersPage, "following": s.FollowingPage,
		} {
			var seen []besedka.AccountID
			after := ""
			for pages := 1; ; pages++ {
				p, err := list(ctx, "anna", after)
				if err != nil || len(p.Accounts) > social.PageAtMost || pages > 3 {
					t.Fatalf("%s: page %d of %d, error %v", name, pages, len(p.Accounts), err)
				}
				seen = append(seen, p.Accounts...)
				if after = p.Next; after == "" {
					break
				}
			}
			if len(seen) != 120 || seen[0][:3] != "m11" || seen[119] != "m006" {
				t.Errorf("%s: %d: %v", name, len(seen), seen)
			}
			slices.Sort(seen)
			if !slices.Equal(seen, all) {
				t.Errorf("%s: %v", name, seen)
			}
			if p, err := list(ctx, "nobody", ""); err != nil || p.Accounts == nil || len(p.Accounts) != 0 || p.Next != "" {
				t.Errorf("%s of nobody: %v, error %v", name, p, err)
			}
			for _, bad := range []string{"x", "!-m001", "1", "1-" + string(make([]byte, 65))} {
				if _, err := list(ctx, "anna", bad); !errors.Is(err, social.ErrPageInvalid) {
					t.Errorf("%s after %q: %v", name, bad, err)
				}
			}
		}
	})
}

func TestMutualsAreThoseOfMineWhoFollow(t *testing.T) {
	dbtest.EachStore(t, func(t *testing.T, store dbtest.Store) {
		clock := dbtest.NewClock()
		d := store.Open(t, clock.Now)
		s := social.New(d)
		members(t, d, "anna", "boris", "a", "b", "c", "d", "e")
		for _, id := range []besedka.AccountID{"a", "b", "c", "d"} {
			clock.Advance(time.Second)
			follow(t, s, "anna", id)
		}
		for _, id := range []besedka.AccountID{"a", "b", "c", "e"} {
			follow(t, s, id, "boris")
		}
		count, few, err := s.FollowersOfMine(ctx, "anna", "boris", 2)
		if err != nil || count != 3 || !slices.Equal(few, []besedka.AccountID{"c", "b"}) {
			t.Errorf("%d, %v, error %v", count, few, err)
		}
		if count, few, err := s.FollowersOfMine(ctx, "boris", "anna", 2); err != nil || count != 0 || few == nil || len(few) != 0 {
			t.Errorf("%d, %v, error %v", count, few, err)
		}
	})
}

func TestABlockEndsFollowsAndForbidsThem(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := social.New(d)
		type told struct {
			by, target besedka.AccountID
			blocked    bool
		}
		var heard []told
		s.OnBlock(func(_ context.Context, by, target besedka.AccountID, blocked bool) {
			heard = append(heard, told{by, target, blocked})
		})
		members(t, d, "anna", "boris", "clara")
		follow(t, s, "anna", "boris")
		follow(t, s, "boris", "anna")
		follow(t, s, "boris", "clara")
		for range 2 {
			if err := s.Block(ctx, "anna", "boris"); err != nil {
				t.Fatal(err)
			}
		}
		if e := between(t, s, "anna", "boris"); e != (social.Edge{Bell: social.BellSometimes, Blocked: true}) {
			t.Errorf("anna: %+v", e)
		}
		if e := between(t, s, "boris", "anna"); e != (social.Edge{Bell: social.BellSometimes, BlockedBy: true}) {
			t.Errorf("boris: %+v", e)
		}
		for _, pair := range [][2]besedka.AccountID{{"anna", "boris"}, {"boris", "anna"}} {
			if err := s.Follow(ctx, pair[0], pair[1]); !errors.Is(err, social.ErrNotPossible) {
				t.Errorf("%s follows %s: %v", pair[0], pair[1], err)
			}
		}
		if list, err := s.Blocks(ctx, "anna"); err != nil || !slices.Equal(list, []besedka.AccountID{"boris"}) {
			t.Errorf("anna blocks %v, error %v", list, err)
		}
		blocked, blockers, err := s.BlocksOf(ctx, []besedka.AccountID{"anna", "boris", "clara"})
		if err != nil || len(blocked) != 1 || len(blockers) != 1 ||
			!slices.Equal(blocked["anna"], []besedka.AccountID{"boris"}) || !slices.Equal(blockers["boris"], []besedka.AccountID{"anna"}) {
			t.Errorf("blocked %v, blockers %v, error %v", blocked, blockers, err)
		}
		if err := s.Unblock(ctx, "anna", "boris"); err != nil {
			t.Fatal(err)
		}
		if e := between(t, s, "anna", "boris"); e.Blocked || e.Followed || e.FollowsMe {
			t.Errorf("afterwards: %+v", e)
		}
		follow(t, s, "boris", "anna")
		if !between(t, s, "boris", "clara").Followed {
			t.Error("another follow has ended")
		}
		if err := s.Block(ctx, "anna", "anna"); !errors.Is(err, social.ErrBlockSelf) {
			t.Error(err)
		}
		if err := s.Block(ctx, "anna", "nobody"); !errors.Is(err, besedka.ErrNotFound) {
			t.Error(err)
		}
		want := []told{{"anna", "boris", true}, {"anna", "boris", true}, {"anna", "boris", false}}
		if !slices.Equal(heard, want) {
			t.Errorf("told %v, want %v", heard, want)
		}
	})
}

func TestNobodyFollowsThroughABlock(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := social.New(d)
		members(t, d, "anna", "boris")
		warm(t, d)
		for range 10 {
			var racing sync.WaitGroup
			run := func(f func() error) {
				racing.Go(func() {
					if err := f(); err != nil && !errors.Is(err, social.ErrNotPossible) {
						t.Error(err)
					}
				})
			}
			run(func() error { return s.Block(ctx, "anna", "boris") })
			run(func() error { return s.Block(ctx, "boris", "anna") })
			run(func() error { return s.Follow(ctx, "boris", "anna") })
			run(func() error { return s.Follow(ctx, "anna", "boris") })
			racing.Wait()
			if e := between(t, s, "anna", "boris"); e.Followed || e.FollowsMe || !e.Blocked || !e.BlockedBy {
				t.Fatalf("%+v", e)
			}
			if err := errors.Join(s.Unblock(ctx, "anna", "boris"), s.Unblock(ctx, "boris", "anna")); err != nil {
				t.Fatal(err)
			}
		}
	})
}
