package web

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"besedka"
	"besedka/live"
)

// maxChatter is how many bytes a client may send behind its request for events; it has
// nothing to say.
const maxChatter = 4 << 10

// follower is an open event stream. Over HTTP/1.1 it takes its connection over, so that
// net/http lets go of the request, its buffers and two deep goroutines: what stays is one
// goroutine that waits for the client to go, and one more while there is something to write.
type follower struct {
	server     *Server
	stream     *live.Stream
	who        besedka.ParticipantID
	credential besedka.CredentialID
	room       besedka.RoomID // or ""
	line       string
	retry      time.Duration // after which the client comes back if it loses the server

	conn    net.Conn // that was taken over
	writing atomic.Int32
	quiet   atomic.Bool // a comment is due
}

// What the writing of a follower does.
const (
	rests      int32 = iota
	writes           // in a goroutine of its own
	writesMore       // and will look again
)

// leave gives up what the stream holds.
func (f *follower) leave() {
	if f.room != "" {
		f.server.Rooms.Disconnected(f.room, f.who, f.line)
	}
	f.stream.Close()
	f.server.streams.remove(f.credential, f.line)
}

// takeOver takes the connection over, if it can be, and follows it from then on.
func (f *follower) takeOver(w http.ResponseWriter, r *http.Request) bool {
	if r.ProtoMajor != 1 || r.Method != http.MethodGet {
		return false
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false
	}
	f.conn = conn
	var head bytes.Buffer
	h := w.Header()
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	h.Set("Connection", "close") // which is where the answer ends (RFC 9112 section 6.3)
	head.WriteString("HTTP/1.1 200 OK\r\n")
	_ = h.Write(&head) // into memory: cannot fail
	head.WriteString("\r\n")
	f.server.readers.Add(1)
	f.writing.Store(writes)
	f.stream.Notify(f.wake)
	go f.write(appendRetry(head.Bytes(), f.retry))
	go f.listen()
	return true
}

// listen waits until the client is gone, or the connection is closed by write, and has a
// comment sent from time to time.
func (f *follower) listen() {
	defer f.server.readers.Done()
	defer f.leave()
	defer f.conn.Close()
	defer f.survive()
	var some [16]byte
	for heard := 0; heard <= maxChatter; {
		if f.conn.SetReadDeadline(time.Now().Add(keepAlive)) != nil {
			return
		}
		n, err := f.conn.Read(some[:])
		heard += n
		var wait net.Error
		switch {
		case err == nil:
		case errors.As(err, &wait) && wait.Timeout():
			f.quiet.Store(true)
			f.wake()
		default:
			return
		}
	}
}

// wake has written what there is. It does not wait.
func (f *follower) wake() {
	for {
		switch now := f.writing.Load(); {
		case now == writesMore:
			return
		case now == writes && f.writing.CompareAndSwap(writes, writesMore):
			return
		case now == rests && f.writing.CompareAndSwap(rests, writes):
			go f.write(nil)
			return
		}
	}
}

// write sends what there is behind text, and closes the connection when that was the last.
func (f *follower) write(text []byte) {
	defer f.survive()
	out := eventWriter{text: text, send: f.send}
	for {
		if f.quiet.Swap(false) {
			out.text = append(out.text, comment...)
		}
		if err := out.drain(context.Background(), f.stream); err != nil {
			f.server.log.Debug("event stream ended", "error", err)
			_ = f.conn.Close() // listen ends with it; nothing writes any more
			return
		}
		if f.writing.CompareAndSwap(writes, rests) {
			return
		}
		f.writing.Store(writes)
	}
}

// survive keeps a fault in one stream from ending the program.
func (f *follower) survive() {
	if fault := recover(); fault != nil {
		f.server.log.Error("event stream panicked", "fault", fault, "stack", string(debug.Stack()))
		_ = f.conn.Close()
	}
}

// farewell bounds how long the last events may take when the server stops.
const farewell = 5 * time.Second

// seeOff ends the streams of sound and waits until all have ended: the hub has been told to end those of events.
func (s *Server) seeOff() {
	s.Media.CloseReaders()
	gone := make(chan struct{})
	go func() { s.readers.Wait(); close(gone) }()
	enough := time.NewTimer(farewell)
	defer enough.Stop()
	select {
	case <-gone:
	case <-enough.C:
	}
}

func (f *follower) send(text []byte) error {
	if err := f.conn.SetWriteDeadline(time.Now().Add(eventDeadline)); err != nil {
		return err
	}
	_, err := f.conn.Write(text)
	return err
}
