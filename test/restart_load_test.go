package test

import (
	"context"
	"testing"
	"time"

	"besedka/load"
)

// How soon listeners hear again whose server was killed and started at once. The bounds
// leave room for a slow and busy machine; what was measured is in the log.
const (
	hearAgainMedian = 6 * time.Second
	hearAgainAll    = 15 * time.Second
)

func TestFiftyListenersHearAgainAfterKill(t *testing.T) {
	w := begin(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var restarting error
	r, err := load.Run(ctx, load.Config{
		URL: w.url, Token: w.founder().token, Speakers: 2, Listeners: 50, Duration: hearAgainAll, Return: true,
		OnPhase: func(p load.Phase) {
			if p == load.WindowOpen {
				w.kill()
				_, restarting = w.start()
			}
		},
	})
	if err != nil || restarting != nil {
		t.Fatalf("%v, %v\n%s", err, restarting, r)
	}
	t.Logf("\n%s", r)
	b := r.Returns
	if b.OK < 50 || b.Away != 0 {
		t.Errorf("%d came back, %d are away", b.OK, b.Away)
	}
	if b.P50 > hearAgainMedian.Seconds()*1e3 || b.Longest > hearAgainAll.Seconds()*1e3 {
		t.Errorf("p50 %.0f ms, longest %.0f ms", b.P50, b.Longest)
	}
}
