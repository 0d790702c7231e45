package media

import (
	"testing"
	"time"

	"besedka"
)

// loadOf feeds an admission with a load that changes as time goes by.
type loadOf struct {
	admission
	now  time.Time
	used time.Duration
}

// pass lets d pass at a share of two cores, and says how often the door has changed.
func (l *loadOf) pass(d time.Duration, share float64, waited time.Duration) (changes int) {
	before, _, _ := l.state()
	for ; d > 0; d -= loadEvery {
		l.now = l.now.Add(loadEvery)
		l.used += time.Duration(share * 2 * float64(loadEvery))
		l.observe(l.now, l.used, 2, waited)
		if full, _, _ := l.state(); full != before {
			before = full
			changes++
		}
	}
	return changes
}

func TestFullServerLetsNobodyInUntilThereIsRoomAgain(t *testing.T) {
	l := &loadOf{now: time.Unix(1000, 0)}
	for _, step := range []struct {
		what   string
		d      time.Duration
		share  float64
		waited time.Duration
		full   bool
	}{
		{"a start that takes all there is, for less than a second", 750 * time.Millisecond, 1, 0, false},
		{"a quiet minute", time.Minute, 0.3, 0, false},
		{"just below the bound", time.Minute, 0.84, 0, false},
		{"a burst of a second", time.Second, 1, 0, false},
		{"and a quiet minute again", time.Minute, 0.3, 0, false},
		{"too much for two seconds and a half", 2500 * time.Millisecond, 0.9, 0, true},
		{"less, but not much less", time.Minute, 0.8, 0, true},
		{"room, but not for long enough", 2 * time.Second, 0.5, 0, true},
		{"the next wave", time.Second, 0.8, 0, true},
		{"room", 5 * time.Second, 0.7, 0, false},
		{"handshakes wait, because others have the cores", 2 * time.Second, 0.2, slowFrom, true},
		{"they wait less, but still", 10 * time.Second, 0.2, slowFrom * 2 / 3, true},
		{"they do not wait any more", 5 * time.Second, 0.2, 0, false},
	} {
		l.pass(step.d, step.share, step.waited)
		if full, _, busy := l.state(); full != step.full {
			t.Fatalf("%s: full %v at %.0f %%", step.what, full, busy*100)
		}
	}
}

func TestDoorDoesNotFlap(t *testing.T) {
	l := &loadOf{now: time.Unix(1000, 0)}
	l.pass(2*time.Second, 0.5, 0)
	changes := 0
	for i := range 60 { // two seconds above the bound, two seconds below: two minutes
		changes += l.pass(2*time.Second, []float64{0.99, 0.76}[i%2], 0)
	}
	if changes != 1 {
		t.Errorf("the door changed %d times", changes)
	}
}

func TestBusyServerSavesUntilItsLoadIsSmall(t *testing.T) {
	l := &loadOf{now: time.Unix(1000, 0)}
	for _, step := range []struct {
		what   string
		d      time.Duration
		share  float64
		saving bool
	}{
		{"much to do, but not for long", time.Second, 0.9, false},
		{"a good half of what there is", time.Minute, 0.59, false},
		{"more", 2500 * time.Millisecond, 0.65, true},
		{"half of it saved", time.Minute, 0.33, true},
		{"less, but not for long", 10 * time.Second, 0.2, true},
		{"a little more again", time.Second, 0.3, true},
		{"little to do", 17 * time.Second, 0.2, false},
		{"the same at the usual price", time.Minute, 0.4, false},
	} {
		l.pass(step.d, step.share, 0)
		if _, saving, busy := l.state(); saving != step.saving {
			t.Fatalf("%s: saving %v at %.0f %%", step.what, saving, busy*100)
		}
	}
}

func TestWhoComesBackIsLetInWhenTheServerIsFull(t *testing.T) {
	s, _, down, _ := fuzzServer(t)
	room := down.place.room
	s.Grant(room, "new", Grant{})
	s.Grant(room, "on stage", Grant{Publish: true})
	for _, who := range []besedka.ParticipantID{"new", "nobody", "on stage", down.who} {
		if err := s.Admits(room, who); err != nil {
			t.Errorf("%s is turned away from a server that is not full: %v", who, err)
		}
	}
	s.admission.mu.Lock()
	s.admission.full.is = true
	s.admission.mu.Unlock()
	s.end(down)
	s.Grant(room, down.who, Grant{}) // in the audience now
	for who, in := range map[besedka.ParticipantID]bool{"new": false, "nobody": false, "on stage": true, down.who: true} {
		err := s.Admits(room, who)
		if (err == nil) != in || err != nil && besedka.AsError(err).RetryAfter == 0 {
			t.Errorf("%s: %v", who, err)
		}
	}
	if n := s.Stats().TurnedAway; n != 2 {
		t.Errorf("%d were turned away", n)
	}
}
