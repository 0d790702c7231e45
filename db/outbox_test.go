package db_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"besedka"
	"besedka/db"
	"besedka/db/dbtest"
)

var errRefused = errors.New("refused")

func publish(t *testing.T, d *db.DB, topic besedka.Topic, kind string) {
	t.Helper()
	write(t, d, func(tx *db.Tx) error {
		_, err := tx.Publish(topic, kind, nil, nil)
		return err
	})
}

func TestFactComesBackAsPublished(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var published []besedka.Fact
		write(t, d, func(tx *db.Tx) error {
			published = nil
			for _, f := range []struct {
				to   []besedka.ParticipantID
				data any
			}{
				{nil, nil},
				{[]besedka.ParticipantID{"a", "b"}, map[string]string{"title": "Беседа \x00 о\u2028 чае"}},
				{[]besedka.ParticipantID{}, struct{}{}},
			} {
				fact, err := tx.Publish("room:a", "room_titled", f.to, f.data)
				if err != nil {
					return err
				}
				published = append(published, fact)
			}
			return nil
		})
		got, err := d.FactsAfter(context.Background(), "room:a", 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		want, _ := json.Marshal(published)
		have, _ := json.Marshal(got)
		if string(want) != string(have) {
			t.Errorf("published %s\nread      %s", want, have)
		}
		if got[0].To != nil || got[2].To == nil || got[2].VisibleTo("a") || !got[1].VisibleTo("b") {
			t.Error("the fact is told to others than it was published to")
		}
	})
}

func TestFactWithoutObjectIsRefused(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for _, data := range []any{1, "text", []int{1}, make(chan int), map[string]string{"long": string(make([]byte, 70<<10))}} {
			err := d.Write(context.Background(), func(tx *db.Tx) error {
				_, err := tx.Publish("room:a", "room_opened", nil, data)
				return err
			})
			if err == nil {
				t.Errorf("data of type %T was published", data)
			}
		}
		if _, head, err := d.Head(context.Background(), "room:a"); err != nil || head != 0 {
			t.Errorf("head %d, error %v; want nothing published", head, err)
		}
	})
}

// TestNoReaderEverSkipsAFact has writers of two processes race, some of them
// rolling back, while a reader resumes by number all the time.
func TestNoReaderEverSkipsAFact(t *testing.T) {
	dbtest.EachStore(t, func(t *testing.T, s dbtest.Store) {
		const writers, each = 8, 25
		ctx := context.Background()
		processes := []*db.DB{s.Open(t, time.Now), s.Open(t, time.Now)}
		reader := s.Open(t, time.Now)
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					err := processes[w%2].Write(ctx, func(tx *db.Tx) error {
						if _, err := tx.Publish("room:a", "room_titled", nil, map[string]int{"writer": w, "i": i}); err != nil {
							return err
						}
						if i%5 == 4 {
							return errRefused
						}
						return nil
					})
					if err != nil && !errors.Is(err, errRefused) {
						t.Errorf("writer %d: %v", w, err)
					}
				}
			})
		}
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		var seen int64
		for finished := false; ; {
			facts, err := reader.FactsAfter(ctx, "room:a", seen, 7)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range facts {
				if f.Seq != seen+1 {
					t.Fatalf("fact %d came after fact %d", f.Seq, seen)
				}
				seen = f.Seq
			}
			if len(facts) == 0 && finished {
				break
			}
			select {
			case <-done:
				finished = true
			default:
			}
		}
		if want := int64(writers * each * 4 / 5); seen != want {
			t.Errorf("read %d facts, want %d", seen, want)
		}
	})
}

// TestTransactionsThatLockCrosswiseAllSucceed needs the retry of deadlocks.
func TestTransactionsThatLockCrosswiseAllSucceed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		topics := []besedka.Topic{"room:a", "room:b"}
		publish(t, d, topics[0], "room_opened")
		publish(t, d, topics[1], "room_opened")
		var ready sync.WaitGroup
		ready.Add(2)
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				first := true
				err := d.Write(context.Background(), func(tx *db.Tx) error {
					if _, err := tx.Publish(topics[i], "room_titled", nil, nil); err != nil {
						return err
					}
					if first && d.Dialect() == db.PostgreSQL {
						first = false
						ready.Done()
						ready.Wait() // both hold one lock now and want the other
					}
					_, err := tx.Publish(topics[1-i], "room_titled", nil, nil)
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, topic := range topics {
			if _, head, err := d.Head(context.Background(), topic); err != nil || head != 3 {
				t.Errorf("%s: head %d, error %v; want 3", topic, head, err)
			}
		}
	})
}

func TestFactsAreToldAfterCommitOnly(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var told []besedka.Topic
		var inside atomic.Bool
		d.OnCommit(func(topics []besedka.Topic) {
			if inside.Load() {
				t.Error("told before commit")
			}
			for _, topic := range topics {
				if facts, err := d.FactsAfter(context.Background(), topic, 0, 1); err != nil || len(facts) != 1 {
					t.Errorf("told of %s, but it cannot be read: %v", topic, err)
				}
			}
			told = append(told, topics...)
		})
		err := d.Write(context.Background(), func(tx *db.Tx) error {
			if _, err := tx.Publish("room:refused", "room_opened", nil, nil); err != nil {
				return err
			}
			return errRefused
		})
		if !errors.Is(err, errRefused) {
			t.Fatal(err)
		}
		write(t, d, func(tx *db.Tx) error { return tx.SetSetting("no", "fact") })
		write(t, d, func(tx *db.Tx) error {
			inside.Store(true)
			defer inside.Store(false)
			for _, topic := range []besedka.Topic{"room:a", "account:b", "room:a"} {
				if _, err := tx.Publish(topic, "room_opened", nil, nil); err != nil {
					return err
				}
			}
			return nil
		})
		if want := []besedka.Topic{"room:a", "account:b"}; !slices.Equal(told, want) {
			t.Errorf("told of %v, want %v", told, want)
		}
	})
}

func TestPruningKeepsADayAndNeverLeavesAGap(t *testing.T) {
	dbtest.EachStore(t, func(t *testing.T, s dbtest.Store) {
		ctx, clock := context.Background(), dbtest.NewClock()
		d := s.Open(t, clock.Now)
		for range 3 {
			publish(t, d, "room:old", "room_titled")
			publish(t, d, "room:both", "room_titled")
		}
		clock.Advance(23 * time.Hour)
		for range 2 {
			publish(t, d, "room:both", "room_titled")
		}
		check := func(topic besedka.Topic, wantOldest, wantHead int64) {
			t.Helper()
			if err := d.PruneOutbox(ctx); err != nil {
				t.Fatal(err)
			}
			oldest, head, err := d.Head(ctx, topic)
			if err != nil || oldest != wantOldest || head != wantHead {
				t.Errorf("%s: oldest %d head %d error %v, want %d and %d", topic, oldest, head, err, wantOldest, wantHead)
			}
			facts, err := d.FactsAfter(ctx, topic, 0, 1000)
			if err != nil || int64(len(facts)) != wantHead-wantOldest+1 || (len(facts) > 0 && facts[0].Seq != wantOldest) {
				t.Errorf("%s: read %d facts, error %v", topic, len(facts), err)
			}
		}
		check("room:none", 1, 0)
		check("room:both", 1, 5)
		clock.Advance(90 * time.Minute)
		check("room:both", 4, 5)
		check("room:old", 4, 3)
		publish(t, d, "room:old", "room_titled") // numbers go on after everything was forgotten
		check("room:old", 4, 4)
	})
}

func TestPruningKeepsTheNewestOfABusyTopic(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error {
			// As if 10 025 facts had been published one by one.
			if _, err := tx.Exec(`INSERT INTO topics (topic, head, pruned, changed_at) VALUES ('room:busy', $1, 0, $2)`,
				db.KeepPerTopic+25, tx.Millis()); err != nil {
				return err
			}
			_, err := tx.Exec(`WITH RECURSIVE n(seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM n WHERE seq < ` +
				fmt.Sprint(db.KeepPerTopic+25) + `) INSERT INTO facts (topic, seq, kind, at) SELECT 'room:busy', seq, 'room_titled', ` +
				fmt.Sprint(tx.Millis()) + ` FROM n`)
			return err
		})
		if err := d.PruneOutbox(context.Background()); err != nil {
			t.Fatal(err)
		}
		oldest, head, err := d.Head(context.Background(), "room:busy")
		if err != nil || oldest != 26 || head != db.KeepPerTopic+25 {
			t.Errorf("oldest %d, head %d, error %v", oldest, head, err)
		}
		facts, err := d.FactsAfter(context.Background(), "room:busy", 0, 1)
		if err != nil || len(facts) != 1 || facts[0].Seq != 26 {
			t.Errorf("the oldest is %v, error %v", facts, err)
		}
	})
}

func TestChangesOfAnotherProcessAreNamed(t *testing.T) {
	dbtest.EachStore(t, func(t *testing.T, s dbtest.Store) {
		ctx, clock := context.Background(), dbtest.NewClock()
		d, other := s.Open(t, clock.Now), s.Open(t, clock.Now)
		publish(t, other, "room:old", "room_opened")
		clock.Advance(time.Minute)
		since := clock.Now()

		// A transaction that began before the question and is committed after it is named too.
		write(t, other, func(tx *db.Tx) error {
			clock.Advance(db.Patience)
			since = clock.Now()
			if _, err := d.Changed(ctx, since); err != nil {
				return err
			}
			_, err := tx.Publish("room:slow", "room_opened", nil, nil)
			return err
		})
		topics, err := d.Changed(ctx, since)
		if err != nil || !slices.Equal(topics, []besedka.Topic{"room:slow"}) {
			t.Errorf("changed: %v, error %v", topics, err)
		}
	})
}

func TestTimeOfATopicNeverGoesBack(t *testing.T) {
	dbtest.EachStore(t, func(t *testing.T, s dbtest.Store) {
		clock := dbtest.NewClock()
		d := s.Open(t, clock.Now)
		publish(t, d, "room:a", "room_opened")
		clock.Advance(-time.Hour)
		publish(t, d, "room:a", "room_titled")
		facts, err := d.FactsAfter(context.Background(), "room:a", 0, 10)
		if err != nil || len(facts) != 2 || facts[1].At.Before(facts[0].At) {
			t.Errorf("facts %v, error %v", facts, err)
		}
	})
}

func TestRedactedFactsSayNothingAnyMore(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		topic := besedka.RoomTopic("r")
		err := d.Write(context.Background(), func(tx *db.Tx) error {
			for _, kind := range []string{"message", "message", "note", "note"} {
				if _, err := tx.Publish(topic, kind, nil, map[string]any{"text": "a secret"}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		err = d.Write(context.Background(), func(tx *db.Tx) error {
			if err := tx.Redact(topic, "message", 2, map[string]any{"deleted": true}); err != nil {
				return err
			}
			if err := tx.Redact(topic, "note", 1, map[string]any{}); err != nil { // number 1 is no note
				return err
			}
			return tx.Redact(topic, "note", 0, map[string]any{})
		})
		if err != nil {
			t.Fatal(err)
		}
		facts, err := d.FactsAfter(context.Background(), topic, 0, 10)
		if err != nil || len(facts) != 4 {
			t.Fatal(facts, err)
		}
		for i, want := range []string{`{"text":"a secret"}`, `{"deleted":true}`, `{}`, `{}`} {
			if string(facts[i].Data) != want {
				t.Errorf("fact %d says %s, want %s", i+1, facts[i].Data, want)
			}
		}
	})
}
