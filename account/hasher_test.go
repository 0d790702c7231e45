package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"besedka"
)

func TestHashingLeavesHalfOfTheCores(t *testing.T) {
	h := newHasher(rand.Reader)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range max(1, runtime.GOMAXPROCS(0)/2) {
		if err := h.enter(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.enter(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("one more hash at once: %v", err)
	}
}

func TestOnlySomeWaitForAHash(t *testing.T) {
	h := newHasher(rand.Reader)
	for range cap(h.queue) {
		h.queue <- struct{}{}
	}
	err := h.enter(context.Background())
	if !errors.Is(err, ErrBusy) || besedka.AsError(err).RetryAfter <= 0 {
		t.Errorf("got %v, want ErrBusy with the time after which to come back", err)
	}
}

func TestKeptHashAsksForLittleWork(t *testing.T) {
	h := newHasher(rand.Reader)
	if _, err := decode(h.dummy); err != nil {
		t.Errorf("our own: %v", err)
	}
	own := fmt.Sprintf("m=%d,t=%d,p=%d", argonMemory, argonTime, argonThreads)
	for _, parameters := range []string{"m=4194304,t=1,p=1", "m=19456,t=4,p=1", "m=19456,t=4294967295,p=1", "m=19456,t=2,p=64", "m=19456,t=0,p=1"} {
		if _, err := decode(strings.Replace(h.dummy, own, parameters, 1)); err == nil {
			t.Errorf("%s is accepted", parameters)
		}
	}
}
