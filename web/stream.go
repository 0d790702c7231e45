package web

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"besedka"
	"besedka/media"
)

// streamPattern is what an audio element plays.
const streamPattern = "GET " + apiBase + "/rooms/{room}/stream/{ticket}"

const typeOgg = "audio/ogg"

const (
	// pageDeadline is how long a player may take nothing.
	pageDeadline = 15 * time.Second
	// playerBuffer is what the system keeps for a player (it doubles it): some seconds. Who falls
	// further behind has pages left out, and does not hear what was said a minute ago.
	playerBuffer = 16 << 10
)

// RoomStream is where a player hears a room.
type RoomStream struct {
	URL       string    `json:"url" doc:"What to play, on this server: Ogg Opus without an end."`
	ExpiresAt time.Time `json:"expires_at" doc:"Until when playing may begin."`
}

// openStream gives a ticket to hear the room; who is not in it enters.
func (s *Server) openStream(ctx context.Context, in *roomInput) (*out[RoomStream], error) {
	c := callerOf(ctx)
	if err := s.limits.media.spend(string(c.Credential)); err != nil {
		return nil, err
	}
	if err := s.enterToHear(ctx, in.Room); err != nil {
		return nil, err
	}
	t, ok := s.tickets.issue(s.Random, s.Now(), in.Room, c)
	if !ok {
		return nil, media.ErrBusy.After(ticketLife)
	}
	return &out[RoomStream]{RoomStream{URL: apiBase + "/rooms/" + string(in.Room) + "/stream/" + t.id, ExpiresAt: t.until.UTC()}}, nil
}

// enterToHear gives the caller a seat. Who could not hear is told so before he takes one.
func (s *Server) enterToHear(ctx context.Context, room besedka.RoomID) error {
	c := callerOf(ctx)
	if in, _, seated := s.Rooms.SeatOf(c.Participant()); !seated || in != room {
		if err := s.Media.Admits(room, c.Participant()); err != nil {
			return err
		}
	}
	if err := s.Rooms.Enter(ctx, room, c.actor()); err != nil {
		return err
	}
	return s.seated(ctx, room)
}

// stream plays a room to who has a ticket, as long as the one it was given to keeps the
// seat. A wrong or used-up ticket is like none.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	t, ok := s.tickets.use(r.PathValue("ticket"), roomOf(r), s.Now())
	if !ok || !s.holds(&t) {
		s.fail(w, r, besedka.ErrNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", typeOgg)
	h.Set("X-Accel-Buffering", "no") // a proxy must not gather sound
	h.Set("Accept-Ranges", "none")
	if r.Method == http.MethodHead {
		return
	}
	p := &player{server: s}
	reader, err := s.Media.OpenReader(t.room, t.who, t.credential, p.cut)
	if errors.Is(err, media.ErrNotInRoom) || errors.Is(err, besedka.ErrUnauthenticated) {
		err = besedka.ErrNotFound
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if !s.holds(&t) { // the seat went to another device meanwhile, which has found no reader to end
		reader.Close()
		s.fail(w, r, besedka.ErrNotFound)
		return
	}
	p.reader = reader
	if !p.takeOver(w, r) {
		p.serve(w, r)
	}
}

// holds says whether the ticket's owner still has the seat, with the same credential.
func (s *Server) holds(t *ticket) bool {
	in, with, seated := s.Rooms.SeatOf(t.who)
	return seated && in == t.room && with == t.credential
}

// player is an open stream. Over HTTP/1.1 it takes its connection over, as follower does: what
// stays is one small goroutine.
type player struct {
	server   *Server
	reader   *media.Reader
	deadline func(time.Time) error
	send     func([]byte) error

	writing sync.Mutex // held while something is written; taken before mu

	mu      sync.Mutex // guards what follows, and the deadline
	stop    func()     // breaks off what is being written; nil: nothing can be yet
	stopped bool
}

// cut ends the stream: when it returns nothing more is sent, also of what the system has taken.
func (p *player) cut() {
	p.mu.Lock()
	p.stopped = true
	if p.stop != nil {
		p.stop()
	}
	p.mu.Unlock()
	p.writing.Lock() // a write that has just begun fails now
	defer p.writing.Unlock()
}

// breakBy says how the stream is broken off, unless it has been: then it is done at once.
func (p *player) breakBy(stop func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped && stop != nil {
		stop()
	}
	p.stop = stop
}

// takeOver takes the connection over, if it can be, and plays on it from then on.
func (p *player) takeOver(w http.ResponseWriter, r *http.Request) bool {
	if r.ProtoMajor != 1 {
		return false
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false
	}
	if tcp := socketOf(conn); tcp != nil {
		_ = tcp.SetWriteBuffer(playerBuffer)
	}
	_ = conn.SetReadDeadline(time.Time{}) // nothing is read; who is gone is found by writing
	p.breakBy(func() { breakOff(conn) })
	var head bytes.Buffer
	h := w.Header()
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	h.Set("Connection", "close")
	head.WriteString("HTTP/1.1 200 OK\r\n")
	_ = h.Write(&head) // into memory: cannot fail
	head.WriteString("\r\n")
	p.deadline = conn.SetWriteDeadline
	p.send = func(text []byte) error {
		_, err := conn.Write(text)
		return err
	}
	p.server.readers.Add(1)
	go func() {
		defer p.server.readers.Done()
		defer conn.Close()
		p.play(head.Bytes())
	}()
	return true
}

// serve plays within the request, where the connection carries others too (HTTP/2).
func (p *player) serve(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{})
	p.breakBy(func() { _ = rc.SetWriteDeadline(time.Unix(1, 0)) })
	defer p.breakBy(nil) // the controller is not to be used any more
	gone := context.AfterFunc(r.Context(), p.reader.Close)
	defer gone()
	p.deadline = rc.SetWriteDeadline
	p.send = func(text []byte) error {
		if _, err := w.Write(text); err != nil {
			return err
		}
		return rc.Flush()
	}
	p.play(nil)
}

// play sends what the room sounds like behind head until one of the two ends it.
func (p *player) play(head []byte) {
	defer p.reader.Close()
	defer p.survive()
	var pages [][]byte
	for {
		var err error
		if pages, err = p.reader.Next(pages[:0]); err == nil {
			err = p.write(head, pages)
		}
		if err != nil {
			p.server.log.Debug("audio stream ended", "error", err)
			return
		}
		if head = nil; cap(pages) > 2 {
			pages = nil // what it had at the beginning it does not need again
		}
	}
}

// write sends pages in one piece, unless the stream has been cut.
func (p *player) write(head []byte, pages [][]byte) error {
	text := pages[0]
	if len(head) > 0 || len(pages) > 1 {
		text = append(head, bytes.Join(pages, nil)...)
	}
	p.writing.Lock()
	defer p.writing.Unlock()
	if err := p.extend(); err != nil {
		return err
	}
	return p.send(text)
}

// extend gives the player time for what is sent next, unless the stream has been cut.
func (p *player) extend() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return net.ErrClosed
	}
	return p.deadline(time.Now().Add(pageDeadline))
}

// survive keeps a fault in one stream from ending the program.
func (p *player) survive() {
	if fault := recover(); fault != nil {
		p.server.log.Error("audio stream panicked", "fault", fault, "stack", string(debug.Stack()))
	}
}

// socketOf is the socket under a connection, or nil.
func socketOf(conn net.Conn) *net.TCPConn {
	for {
		switch c := conn.(type) {
		case *net.TCPConn:
			return c
		case interface{ NetConn() net.Conn }:
			conn = c.NetConn()
		default:
			return nil
		}
	}
}

// breakOff closes a connection at once: what the system has not sent yet is thrown away,
// and nobody says goodbye, for which a peer who does not read could make us wait.
func breakOff(conn net.Conn) {
	tcp := socketOf(conn)
	if tcp == nil {
		_ = conn.Close()
		return
	}
	_ = tcp.SetLinger(0)
	_ = tcp.Close()
}
