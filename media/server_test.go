package media

import (
	"slices"
	"testing"
	"time"
)

func TestItIsCalmWhenACrowdHasJoined(t *testing.T) {
	var c crowd
	now := time.Unix(1_700_000_000, 0)
	var told []bool
	pass := func(seconds int, joined int64) {
		for range seconds {
			now = now.Add(time.Second)
			if c.turned(joined, now) {
				told = append(told, !c.comes)
			}
		}
	}
	expect := func(what string, want ...bool) {
		t.Helper()
		if !slices.Equal(told, want) {
			t.Fatalf("%s: told %v", what, told)
		}
	}
	pass(60, crowdSize-1)
	expect("a few are no crowd")
	for n := range int64(30) {
		pass(2, crowdSize+n)
	}
	expect("people keep coming", false)
	pass(60, crowdSize+30)
	expect("all are there", false, true)
	pass(60, crowdSize+40)
	expect("a few more", false, true)
	pass(1, 2*crowdSize+30)
	expect("the next crowd comes", false, true, false)
	pass(60, 2*crowdSize+30)
	expect("all are there again", false, true, false, true)
}
