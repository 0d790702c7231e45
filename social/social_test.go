package social_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"besedka"
	"besedka/db"
	"besedka/db/dbtest"
	"besedka/social"
)

var ctx = context.Background()

// members makes accounts named by their ids: the graph needs no more of them.
func members(t *testing.T, d *db.DB, ids ...besedka.AccountID) {
	t.Helper()
	err := d.Write(ctx, func(tx *db.Tx) error {
		for _, id := range ids {
			_, err := tx.Exec(`INSERT INTO accounts (id, username, name, password, founder, invitation_stock, created_at)
				VALUES ($1, $1, $1, '', 0, 0, 0)`, string(id))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func follow(t *testing.T, s *social.Service, by, target besedka.AccountID) {
	t.Helper()
	if err := s.Follow(ctx, by, target); err != nil {
		t.Fatal(err)
	}
}

// warm opens several connections, so that what races next does so truly.
func warm(t *testing.T, d *db.DB) {
	t.Helper()
	var all, wg sync.WaitGroup
	all.Add(4)
	for range 4 {
		wg.Go(func() {
			waited := false
			err := d.Read(ctx, func(*db.Tx) error {
				if !waited {
					waited = true
					all.Done()
				}
				all.Wait()
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestFollowingIsOneWayAndMayBeRepeated(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		members(t, d, "a", "b", "c")
		s := social.New(d)
		check := func(by, target besedka.AccountID, want bool) {
			t.Helper()
			if got, err := s.Follows(ctx, by, target); err != nil || got != want {
				t.Errorf("%s follows %s: %v, error %v", by, target, got, err)
			}
		}
		for range 2 {
			follow(t, s, "a", "b")
			check("a", "b", true)
			check("b", "a", false)
		}
		follow(t, s, "c", "b")
		if c, err := s.Counts(ctx, "b"); err != nil || c != (social.Counts{Followers: 2}) {
			t.Errorf("counts %+v, error %v", c, err)
		}
		if c, err := s.Counts(ctx, "a"); err != nil || c != (social.Counts{Following: 1}) {
			t.Errorf("counts %+v, error %v", c, err)
		}
		for range 2 {
			if err := s.Unfollow(ctx, "a", "b"); err != nil {
				t.Fatal(err)
			}
			check("a", "b", false)
			check("c", "b", true)
		}
	})
}

func TestNobodyFollowsThemselvesOrNobody(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		members(t, d, "a")
		s := social.New(d)
		if err := s.Follow(ctx, "a", "a"); !errors.Is(err, social.ErrFollowSelf) {
			t.Errorf("got %v", err)
		}
		if err := s.Follow(ctx, "a", "nobody"); !errors.Is(err, besedka.ErrNotFound) {
			t.Errorf("got %v", err)
		}
		if err := s.Follow(ctx, "nobody", "a"); !errors.Is(err, besedka.ErrNotFound) {
			t.Errorf("got %v", err)
		}
		if err := s.Unfollow(ctx, "a", "nobody"); err != nil {
			t.Errorf("got %v", err)
		}
	})
}

func TestFollowingListsTheLatestFirst(t *testing.T) {
	dbtest.EachStore(t, func(t *testing.T, store dbtest.Store) {
		clock := dbtest.NewClock()
		d := store.Open(t, clock.Now)
		members(t, d, "a", "b", "c", "d")
		s := social.New(d)
		for _, target := range []besedka.AccountID{"c", "d", "b", "c"} {
			follow(t, s, "a", target)
			clock.Advance(time.Second)
		}
		if got, err := s.Following(ctx, "a"); err != nil || !slices.Equal(got, []besedka.AccountID{"b", "d", "c"}) {
			t.Errorf("got %v, error %v", got, err)
		}
		if got, err := s.Following(ctx, "b"); err != nil || got == nil || len(got) != 0 {
			t.Errorf("got %v, error %v", got, err)
		}
	})
}

func TestMutualsFollowEachOther(t *testing.T) {
	dbtest.EachStore(t, func(t *testing.T, store dbtest.Store) {
		clock := dbtest.NewClock()
		d := store.Open(t, clock.Now)
		members(t, d, "a", "b", "c", "d")
		s := social.New(d)
		for _, e := range [][2]besedka.AccountID{{"a", "b"}, {"a", "c"}, {"a", "d"}, {"b", "a"}, {"d", "a"}, {"c", "b"}} {
			follow(t, s, e[0], e[1])
			clock.Advance(time.Second)
		}
		if got, err := s.Mutuals(ctx, "a"); err != nil || !slices.Equal(got, []besedka.AccountID{"d", "b"}) {
			t.Errorf("got %v, error %v", got, err)
		}
		if got, err := s.Mutuals(ctx, "c"); err != nil || got == nil || len(got) != 0 {
			t.Errorf("got %v, error %v", got, err)
		}
	})
}

// TestSetQuestionsAgreeWithTheEdges compares the answers about sets, larger than
// one query takes, with the edges one by one.
func TestSetQuestionsAgreeWithTheEdges(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		const n = 450
		var ids []besedka.AccountID
		for i := range n {
			ids = append(ids, besedka.AccountID(fmt.Sprintf("m%03d", i)))
		}
		members(t, d, ids...)
		s := social.New(d)
		follows := func(by, target int) bool { return by != target && (by*7+target)%450 == 3 }
		err := d.Write(ctx, func(tx *db.Tx) error {
			for by := range n {
				for target := range n {
					if !follows(by, target) {
						continue
					}
					if _, err := tx.Exec(`INSERT INTO follows (follower_id, followed_id, created_at) VALUES ($1, $2, 0)`, string(ids[by]), string(ids[target])); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		wantSome := map[besedka.AccountID]bool{}
		for by := 20; by < n; by++ {
			for target := range n {
				if follows(by, target) {
					wantSome[ids[target]] = true
				}
			}
		}
		some, err := s.FollowedBySome(ctx, ids, ids[20:])
		if err != nil || !maps.Equal(some, wantSome) {
			t.Errorf("%d are followed by some, want %d, error %v", len(some), len(wantSome), err)
		}
		wantAmong := map[besedka.AccountID]bool{}
		for target := range n {
			if follows(5, target) {
				wantAmong[ids[target]] = true
			}
			got, err := s.FollowedByAny(ctx, ids[target], ids[5:7])
			if want := follows(5, target) || follows(6, target); err != nil || got != want {
				t.Errorf("%d followed by any: %v, want %v, error %v", target, got, want, err)
			}
		}
		few := map[besedka.AccountID]bool{}
		for id := range wantSome {
			if id < ids[10] {
				few[id] = true
			}
		}
		if got, err := s.FollowedBySome(ctx, ids[:10], ids[20:]); err != nil || !maps.Equal(got, few) {
			t.Errorf("few targets: %v, want %v, error %v", got, few, err)
		}
		if among, err := s.Among(ctx, ids[5], ids); err != nil || !maps.Equal(among, wantAmong) {
			t.Errorf("among %v, want %v, error %v", among, wantAmong, err)
		}
		for name, ask := range map[string]func() (map[besedka.AccountID]bool, error){
			"no targets": func() (map[besedka.AccountID]bool, error) { return s.FollowedBySome(ctx, nil, ids) },
			"no askers":  func() (map[besedka.AccountID]bool, error) { return s.FollowedBySome(ctx, ids, nil) },
		} {
			if got, err := ask(); err != nil || got == nil || len(got) != 0 {
				t.Errorf("%s: %v, error %v", name, got, err)
			}
		}
	})
}

// TestOneAccountFollowsABoundedNumber fills up to the limit and has many try for the last place.
func TestOneAccountFollowsABoundedNumber(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var ids []besedka.AccountID
		for i := range 12 {
			ids = append(ids, besedka.AccountID(fmt.Sprint("t", i)))
		}
		members(t, d, append(ids, "a")...)
		for from := 1; from < social.FollowsAtMost; from += 500 {
			err := d.Write(ctx, func(tx *db.Tx) error {
				upTo := min(from+499, social.FollowsAtMost-1)
				_, err := tx.Exec(fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d)
					INSERT INTO accounts (id, username, name, password, founder, invitation_stock, created_at)
					SELECT 'f' || i, 'f' || i, '', '', 0, 0, %d FROM n`, from, upTo, from))
				if err != nil {
					return err
				}
				_, err = tx.Exec(fmt.Sprintf(`INSERT INTO follows (follower_id, followed_id, created_at) SELECT 'a', id, 0 FROM accounts WHERE id LIKE 'f%%' AND created_at = %d`, from))
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		s := social.New(d)
		warm(t, d)
		for range 12 {
			made := raceToFollow(t, s, "a", ids)
			if c, err := s.Counts(ctx, "a"); err != nil || len(made) != 1 || c.Following != social.FollowsAtMost {
				t.Fatalf("%d more were followed: %+v, error %v", len(made), c, err)
			}
			if err := s.Follow(ctx, "a", made[0]); err != nil {
				t.Errorf("again somebody who is followed already: %v", err)
			}
			if err := s.Unfollow(ctx, "a", made[0]); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// raceToFollow has the account follow all of the targets at the same moment and
// gives those that it came to follow.
func raceToFollow(t *testing.T, s *social.Service, by besedka.AccountID, targets []besedka.AccountID) (made []besedka.AccountID) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := make(chan struct{})
	for _, id := range targets {
		wg.Go(func() {
			<-start
			err := s.Follow(ctx, by, id)
			if err == nil {
				mu.Lock()
				made = append(made, id)
				mu.Unlock()
			} else if !errors.Is(err, social.ErrTooManyFollows) {
				t.Error(err)
			}
		})
	}
	close(start)
	wg.Wait()
	return made
}
