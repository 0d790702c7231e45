package load

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/pion/rtp"
)

// room is one room of a run.
type room struct {
	id        string
	host      credential
	speakers  []*speaker
	guests    []string
	listeners []*listener
	arrivals  []*listener
	accounts  []credential // signed in for this run: signed out at the end
	sent      uint64       // frames inside the window, of all speakers
	ticks     uint64       // ticks inside the window
	spoke     int64        // when the first speaker's last frame was sent, Unix nanoseconds
	pause     int64        // the longest time by which one of them was sent too late inside the window
}

func (m *room) path(rest string) string { return "/api/v1/rooms/" + m.id + rest }

// speaker is somebody on stage with an up session.
type speaker struct {
	*peer
	who       credential
	session   string
	pt, level uint8
	number    uint16
}

// view is the little that we read of a room.
type view struct {
	ID string `json:"id"`
	Me struct {
		Role string `json:"role"`
	} `json:"me"`
}

// openRoom makes the i-th room and brings its speakers on stage. The room is
// returned also with an error, if there is something to end.
func (r *run) openRoom(ctx context.Context, i int) (*room, error) {
	m := &room{host: credential(r.Token)}
	if i > 0 {
		who, err := r.account(ctx, m)
		if err != nil {
			return nil, err
		}
		m.host = who
	}
	var v view
	in := map[string]any{"title": "Load test", "kind": "open", "guests_allowed": true}
	if _, err := r.api.call(ctx, http.MethodPost, "/api/v1/rooms", m.host, in, &v); err != nil {
		return nil, err
	}
	if v.ID == "" || strings.ContainsAny(v.ID, "/?#") {
		return nil, fmt.Errorf("room id %q", v.ID)
	}
	m.id = v.ID
	for n := range r.Speakers {
		who := m.host
		if n > 0 {
			var err error
			if who, err = r.onStage(ctx, m); err != nil {
				return m, fmt.Errorf("speaker %d: %w", n+1, err)
			}
		}
		s, err := r.speakerUp(ctx, m, who, i*r.Speakers+n)
		if err != nil {
			return m, fmt.Errorf("speaker %d: %w", n+1, err)
		}
		m.speakers = append(m.speakers, s)
	}
	return m, nil
}

// account gives the credential of another account: one of the given, or one that
// an earlier run with the same token has made, or a new one.
func (r *run) account(ctx context.Context, m *room) (credential, error) {
	if len(r.SpeakerTokens) > 0 {
		t := r.SpeakerTokens[0]
		r.SpeakerTokens = r.SpeakerTokens[1:]
		return credential(t), nil
	}
	for !r.allNew {
		username, password := r.nextAccount()
		who, err := r.signIn(ctx, username, password)
		var no *Refusal
		switch {
		case errors.As(err, &no) && no.Status == http.StatusUnauthorized:
			r.made, r.allNew = r.made-1, true // they are made in order
		case errors.As(err, &no) && no.Status == http.StatusForbidden: // suspended meanwhile
		case err != nil:
			return "", err
		case who != "":
			m.accounts = append(m.accounts, who)
			return who, nil
		}
	}
	who, err := r.signUp(ctx)
	if err == nil {
		m.accounts = append(m.accounts, who)
	}
	return who, err
}

// nextAccount names the next account of those that belong to Token. Only who
// knows the token can sign in to them.
func (r *run) nextAccount() (username, password string) {
	r.made++
	sum := sha256.Sum256(fmt.Appendf(nil, "besedka load account %d of %s", r.made, r.Token))
	return "load_" + hex.EncodeToString(sum[:5]), hex.EncodeToString(sum[5:])
}

// signIn gives a session of an account, "" when it is busy in a room of another run.
func (r *run) signIn(ctx context.Context, username, password string) (credential, error) {
	head, err := r.api.call(ctx, http.MethodPost, "/api/v1/sessions", "", map[string]string{"username": username, "password": password}, nil)
	if err != nil {
		return "", err
	}
	who, err := sessionOf(head)
	if err != nil {
		return "", err
	}
	var me struct{ Room *string }
	if _, err := r.api.call(ctx, http.MethodGet, "/api/v1/me", who, nil, &me); err != nil {
		return "", err
	}
	if me.Room == nil {
		return who, nil
	}
	_, err = r.api.call(ctx, http.MethodDelete, "/api/v1/sessions/current", who, nil, nil)
	return "", err
}

// signUp makes an account with an invitation of Token's account.
func (r *run) signUp(ctx context.Context) (credential, error) {
	var invitation struct{ Code string }
	if _, err := r.api.call(ctx, http.MethodPost, "/api/v1/invitations", credential(r.Token), struct{}{}, &invitation); err != nil {
		return "", err
	}
	username, password := r.nextAccount()
	in := map[string]string{"invitation": invitation.Code, "username": username, "name": "Load test", "password": password}
	head, err := r.api.call(ctx, http.MethodPost, "/api/v1/accounts", "", in, nil)
	if err != nil {
		return "", err
	}
	return sessionOf(head)
}

func sessionOf(head http.Header) (credential, error) {
	cookies := (&http.Response{Header: head}).Cookies()
	if len(cookies) == 0 {
		return "", errors.New("the server set no cookie")
	}
	return credential(cookies[0].Name + "=" + cookies[0].Value), nil
}

// onStage lets another account enter and brings it on stage: the second
// person of a room may be there at once, the others are invited and accept.
func (r *run) onStage(ctx context.Context, m *room) (credential, error) {
	who, err := r.account(ctx, m)
	if err != nil {
		return "", err
	}
	var v view
	if _, err := r.api.call(ctx, http.MethodPut, m.path("/seat"), who, nil, &v); err != nil {
		return "", err
	}
	if v.Me.Role == "speaker" {
		return who, nil
	}
	var me struct{ ID string }
	if _, err := r.api.call(ctx, http.MethodGet, "/api/v1/me", who, nil, &me); err != nil {
		return "", err
	}
	if _, err := r.api.call(ctx, http.MethodPost, m.path("/stage-invitations"), m.host, map[string]string{"account": me.ID}, nil); err != nil {
		return "", err
	}
	_, err = r.api.call(ctx, http.MethodPost, m.path("/stage-invitations/accept"), who, nil, nil)
	return who, err
}

// speakerUp connects a speaker's up session.
func (r *run) speakerUp(ctx context.Context, m *room, who credential, number int) (*speaker, error) {
	c, err := r.credentials()
	if err != nil {
		return nil, err
	}
	p := newPeer(c)
	rem, session, err := r.connect(ctx, p, m.path("/whip"), who, offer(&p.credentials, r.dtls, 1, "sendonly"), number)
	if err != nil {
		return nil, err
	}
	return &speaker{peer: p, who: who, session: session, pt: rem.payloadType, level: rem.levelID, number: uint16(number)}, nil
}

// talk sends every speaker's frames until ctx ends. Ticks are numbered without
// a hole: after a stall of ours the clock is set anew instead of skipping, so that
// our own delay is never counted as the server's loss. The clock has a thread of its own, which
// goes before the others if the system lets it, and ends with it.
func (m *room) talk(ctx context.Context, r *run) {
	runtime.LockOSThread()
	goFirst()
	frame := newFrame()
	begin, tick := r.Now(), uint32(0)
	for ; ctx.Err() == nil; nap(max(begin.Add(time.Duration(tick)*frameTime).Sub(r.Now()), time.Millisecond)) {
		due := uint32(r.Now().Sub(begin)/frameTime) + 1
		if due-tick > 5 {
			begin = r.Now().Add(-time.Duration(tick) * frameTime)
			due = tick + 1
		}
		for ; tick < due; tick++ {
			m.speak(r, tick, frame)
		}
	}
}

// speak sends one tick's frame of every speaker.
func (m *room) speak(r *run, tick uint32, frame []byte) {
	from, to, set := r.window.bounds()
	r.talk.Lock()
	defer r.talk.Unlock()
	for i, s := range m.speakers {
		now := r.Now().UnixNano()
		mark{s.number, tick, now}.put(frame)
		if set && now >= from && now < to {
			m.sent++
			if i == 0 {
				m.ticks++
				if m.spoke != 0 {
					m.pause = max(m.pause, now-m.spoke-int64(frameTime))
				}
				m.spoke = now
			}
		}
		s.sendFrame(tick, frame)
	}
}

// sendFrame seals a frame as RTP (RFC 7587) with the level of a voice (RFC 6464 §3).
func (s *speaker) sendFrame(tick uint32, frame []byte) {
	h := rtp.Header{
		Version: 2, PayloadType: s.pt, Marker: tick == 0, SequenceNumber: uint16(tick) + 1000,
		Timestamp: tick*clockPerTick + 4711, SSRC: ssrcOf(&s.credentials),
	}
	if s.level != 0 {
		loudness := 20 + byte(s.number)%40
		_ = h.SetExtension(s.level, []byte{0x80 | loudness}) // one byte under an id of 1 to 14 always fits
	}
	packet, err := (&rtp.Packet{Header: h, Payload: frame}).Marshal()
	if err != nil {
		return
	}
	if sealed, err := s.keys.Load().out.EncryptRTP(nil, packet, nil); err == nil {
		s.send(sealed)
	}
}
