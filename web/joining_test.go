package web

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestJoinsAreComputedInTurn(t *testing.T) {
	s := &Server{joins: make(chan struct{}, 1)}
	take := func(ctx context.Context) (*call, error) {
		c := new(call)
		r := httptest.NewRequest("POST", "/", strings.NewReader("offer")).WithContext(ctx)
		return c, s.takeTurn(r, c)
	}
	first, err := take(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := take(gone); !errors.Is(err, errTimeout) {
		t.Errorf("who has gone away: %v", err)
	}
	second := make(chan *call)
	go func() {
		c, err := take(context.Background())
		if err != nil {
			t.Error(err)
		}
		second <- c
	}()
	select {
	case <-second:
		t.Fatal("two at once")
	case <-time.After(50 * time.Millisecond):
	}
	first.endTurn()
	first.endTurn() // gives nothing back twice
	c := <-second
	if len(s.joins) != 1 {
		t.Errorf("%d turns taken", len(s.joins))
	}
	// Who waits for something, or forgets to end, loses the turn.
	third, err := take(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	c.endTurn()
	third.endTurn()
	if len(s.joins) != 0 {
		t.Errorf("%d turns taken", len(s.joins))
	}
}
