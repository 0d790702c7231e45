package load

import (
	"context"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pion/stun/v4"
)

// listener is somebody who was let in.
type listener struct {
	*peer
	who     credential
	session string
}

// joins gathers how joining went.
type joins struct {
	mu     sync.Mutex
	took   []float32 // ms from the request to the first packet (or, in a silent room, to the keys)
	failed map[string]int
	number int           // of listeners who were told to join
	begun  time.Time     // the first request
	ended  time.Time     // the last
	cpu    time.Duration // what this process used during the window
}

func (j *joins) fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	reason := err.Error()
	var refused *Refusal
	switch {
	case errors.As(err, &refused):
		_, step, _ := strings.Cut(strings.TrimPrefix(refused.Path, "/api/v1/rooms/"), "/")
		reason = fmt.Sprintf("%s: %d %s", step, refused.Status, refused.Code)
	case errors.Is(err, context.Canceled):
		reason = "cancelled"
	}
	if len(j.failed) < 20 || j.failed[reason] > 0 {
		j.failed[reason]++
	} else {
		j.failed["other"]++
	}
}

func (j *joins) ok(d time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.took = append(j.took, float32(d.Seconds()*1e3))
}

// tokens gets the credentials of all listeners, before anything is measured.
func (r *run) tokens(ctx context.Context) error {
	for _, m := range r.rooms {
		n := r.Listeners + r.stepping() + r.Arrivals
		if n == 0 {
			continue
		}
		if r.Guests != nil {
			t, err := r.Guests(ctx, m.id, n)
			if err != nil {
				return err
			}
			if len(t) < n {
				return fmt.Errorf("%d guests for %d listeners", len(t), n)
			}
			m.guests = t[:n]
			continue
		}
		for range n {
			var g struct{ Token string }
			if _, err := r.api.call(ctx, http.MethodPost, m.path("/guests"), m.host, struct{}{}, &g); err != nil {
				return err
			}
			m.guests = append(m.guests, g.Token)
		}
	}
	return nil
}

// joinAll lets n listeners into each room, one each interval, room by room in turn.
func (r *run) joinAll(ctx context.Context, j *joins, n int, interval time.Duration) error {
	if n == 0 {
		return nil
	}
	var busy sync.WaitGroup
	defer busy.Wait()
	begun := r.Now()
	if j.begun.IsZero() {
		j.begun = begun
	}
	first := j.number
	j.number += n * len(r.rooms)
	for i := range n * len(r.rooms) {
		if err := r.wait(ctx, begun.Add(time.Duration(i)*interval).Sub(r.Now())); err != nil {
			return err
		}
		m := r.rooms[i%len(r.rooms)]
		who := credential(m.guests[0])
		m.guests = m.guests[1:]
		busy.Go(func() { r.join(ctx, m, j, who, first+i) })
	}
	j.ended = r.Now()
	return nil
}

// join lets one listener in and waits until it hears.
func (r *run) join(ctx context.Context, m *room, j *joins, who credential, n int) {
	all := ctx
	ctx, cancel := context.WithTimeout(all, joinTimeout)
	defer cancel()
	c, err := r.credentials()
	if err != nil {
		j.fail(err)
		return
	}
	p := newPeer(c)
	p.sample = n // spread, so that not all decrypt the same packet
	begin := r.Now()
	_, session, err := r.connect(ctx, p, m.path("/whep"), who, offer(&p.credentials, r.dtls, r.Slots, "recvonly"), n)
	if err != nil {
		j.fail(err)
		return
	}
	l := &listener{p, who, session}
	r.joins.mu.Lock()
	if j == &r.joins {
		m.listeners = append(m.listeners, l)
	} else {
		m.arrivals = append(m.arrivals, l)
	}
	r.joins.mu.Unlock()
	if r.Return {
		r.returns.keeping.Go(func() { r.keep(all, m, l, n) })
	}
	if r.Streams && !r.Return { // who returns keeps one anyway
		r.streams.Go(func() { r.api.follow(all, m.id, who) })
	}
	if r.Speakers == 0 {
		j.ok(r.Now().Sub(begin))
		return
	}
	select {
	case <-p.heard:
		j.ok(time.Unix(0, p.heardAt.Load()).Sub(begin))
	case <-p.gone:
		j.fail(errors.New("ended by the server before the first packet"))
	case <-ctx.Done():
		j.fail(errors.New("connected, but no packet that the key opens"))
	}
}

// connect posts the offer and goes through ICE and DTLS. After an error
// nothing of the peer remains but perhaps its session on the server.
func (r *run) connect(ctx context.Context, p *peer, path string, who credential, offer []byte, n int) (remote, string, error) {
	rem, session, err := r.api.exchange(ctx, path, who, offer)
	if err != nil {
		return rem, session, err
	}
	p.remoteUfrag, p.remotePwd = rem.ufrag, rem.pwd
	if p.sock, err = dial(rem.candidate); err != nil {
		return rem, session, err
	}
	p.mapped = stun.XORMappedAddress{IP: rem.candidate.Addr().AsSlice(), Port: int(rem.candidate.Port())}
	p.pipe = newPipe(p.send)
	p.nextReport = r.Now().Add(time.Duration(n%50) * reportEvery / 50)
	r.shardFor(n).add(p)
	if err := r.secure(ctx, p, rem); err != nil {
		p.pipe.cut()
		p.abandoned.Store(true)
		return rem, session, err
	}
	return rem, session, nil
}

// secure waits for ICE and runs the handshake.
func (r *run) secure(ctx context.Context, p *peer, rem remote) error {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	select {
	case <-p.nominated:
	case <-p.gone:
		return errors.New("ice: the media port is closed")
	case <-ctx.Done():
		return errors.New("ice: no answer to checks")
	}
	k, err := r.dtls.handshake(ctx, p.pipe, rem.weAreActive, rem.fingerprint)
	if err != nil {
		return fmt.Errorf("dtls: %w", err)
	}
	p.keys.Store(k)
	return nil
}

var iceText = base32.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567").WithPadding(base32.NoPadding)

// credentials draws an ICE ufrag and password (RFC 8445 §5.3: 24 and 128 bits at least) and a tie-breaker.
func (r *run) credentials() (credentials, error) {
	var b [5 + 20 + 8]byte
	r.joins.mu.Lock() // Random need not be safe for several goroutines
	_, err := io.ReadFull(r.Random, b[:])
	r.joins.mu.Unlock()
	return credentials{ufrag: iceText.EncodeToString(b[:5]), pwd: iceText.EncodeToString(b[5:25]), tie: binary.BigEndian.Uint64(b[25:])}, err
}

// end leaves: listeners first, then speakers, then the rooms end and the
// accounts made for them sign out. It is done as far as ctx allows.
func (r *run) end(ctx context.Context) {
	const atATime = 8
	var leaving sync.WaitGroup
	places := make(chan struct{}, atATime)
	do := func(path string, who credential) {
		places <- struct{}{}
		leaving.Go(func() {
			defer func() { <-places }()
			if _, err := r.api.call(ctx, http.MethodDelete, path, who, nil, nil); err != nil {
				r.Log.Debug("leave", "path", path, "error", err)
			}
		})
	}
	for _, m := range r.rooms {
		for _, l := range slices.Concat(m.listeners, m.arrivals) {
			do(l.session, l.who)
		}
	}
	for _, m := range r.rooms {
		for _, s := range m.speakers {
			do(s.session, s.who)
		}
	}
	leaving.Wait()
	for _, m := range r.rooms {
		do(m.path(""), m.host)
	}
	leaving.Wait()
	for _, m := range r.rooms {
		for _, who := range m.accounts {
			do("/api/v1/sessions/current", who)
		}
	}
	leaving.Wait()
}
