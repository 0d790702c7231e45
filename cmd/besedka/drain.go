package main

import (
	"context"
	"time"

	"besedka/live"
)

const (
	// drainFor is how long a server that was asked to end still answers, if anybody is
	// connected: what begins is refused with words, what is under way is finished.
	drainFor = time.Second
	// returnWithin spreads the return of those who were connected.
	returnWithin = 2 * time.Second
)

// drain waits until the program is asked to end, tells everybody, and gives them a
// moment. Sound goes on meanwhile.
func (p *program) drain(ctx, asked context.Context) error {
	select {
	case <-asked.Done():
	case <-ctx.Done():
		return nil
	}
	p.web.Stop()
	var n uint64
	told := p.live.Stopping(func() time.Duration {
		n++
		return drainFor + live.Stagger(n, returnWithin)
	})
	sound := p.media.Stats()
	p.log.Info("stopping", "streams", told, "listeners", sound.SessionsDown+sound.Readers, "speakers", sound.SessionsUp)
	if told == 0 && sound.SessionsDown+sound.Readers == 0 && sound.SessionsUp == 0 {
		return nil
	}
	moment := time.NewTimer(drainFor)
	defer moment.Stop()
	select {
	case <-moment.C:
	case <-ctx.Done():
	}
	return nil
}
