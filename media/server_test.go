package media

import (
	"testing"
	"time"
)

func TestCalmIsToldOnceForACrowd(t *testing.T) {
	var c crowd
	now := time.Unix(1_700_000_000, 0)
	told := 0
	pass := func(seconds int, joined int64) {
		for range seconds {
			now = now.Add(time.Second)
			if c.settled(joined, now) {
				told++
			}
		}
	}
	pass(60, crowdSize-1) // a few are no crowd
	if told != 0 {
		t.Fatal("told of a few")
	}
	for n := range int64(30) { // people keep coming
		pass(2, crowdSize+n)
	}
	if told != 0 {
		t.Fatal("told while people come")
	}
	pass(60, crowdSize+30)
	if told != 1 {
		t.Fatalf("told %d times", told)
	}
	pass(60, 2*crowdSize+30)
	if told != 2 {
		t.Errorf("told %d times of two crowds", told)
	}
}
