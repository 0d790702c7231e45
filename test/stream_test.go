package test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
	"net/http"
	"sync"
	"testing"
	"time"
)

// streamed is an Opus packet of an audio stream.
type streamed struct {
	at     time.Time
	number int64 // of a voice's packet; −1 for what fills gaps
}

// radio is somebody who hears a room as a plain audio stream, and all that came.
type radio struct {
	who *person
	url string
	res *http.Response

	mu      sync.Mutex
	packets []streamed
	granule int64 // where the stream stands
	seams   []string
	over    time.Time // when the stream ended; zero: it has not
}

// ticket is where a person may hear a room.
func (p *person) ticket(room string) string {
	p.t.Helper()
	a := p.must(http.MethodPost, "/rooms/"+room+"/stream", nil)
	if a.status != http.StatusCreated {
		p.t.Fatalf("%s; want 201", a)
	}
	return a.text("url")
}

// play asks for a stream without any credential, as an audio element does for a guest.
func (s *server) play(url string) (*http.Response, error) { return http.Get(s.url + url) }

// tune plays the room as a stream.
func (p *person) tune(room string) *radio {
	p.t.Helper()
	r := &radio{who: p, url: p.ticket(room)}
	var err error
	if r.res, err = p.server.play(r.url); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = r.res.Body.Close() })
	if r.res.StatusCode != http.StatusOK || r.res.Header.Get("Content-Type") != "audio/ogg" ||
		r.res.Header.Get("Cache-Control") != "no-store" || r.res.Header.Get("X-Accel-Buffering") != "no" || r.res.ContentLength != -1 {
		p.t.Fatalf("%s: %s %v", r.url, r.res.Status, r.res.Header)
	}
	go r.hear()
	return r
}

// hear reads pages until there are no more.
func (r *radio) hear() {
	for n := 0; ; n++ {
		p, err := readPage(r.res.Body)
		r.mu.Lock()
		if err != nil {
			r.over = time.Now()
			r.mu.Unlock()
			return
		}
		r.take(n, p)
		r.mu.Unlock()
	}
}

// take checks the form of the n-th page and keeps what is in it.
func (r *radio) take(n int, p oggPage) {
	wrong := func(format string, a ...any) {
		r.seams = append(r.seams, fmt.Sprintf("page %d: ", n)+fmt.Sprintf(format, a...))
	}
	switch {
	case n < 2:
		if want := []string{"OpusHead", "OpusTags"}[n]; len(p.packets) != 1 || string(p.packets[0][:8]) != want || (n == 0) != (p.kind == 2) {
			wrong("is not %s", want)
		}
		return
	case p.kind != 0:
		wrong("kind %d", p.kind)
	}
	samples := int64(0)
	for _, packet := range p.packets {
		samples += samplesOf(packet)
		number := int64(-1)
		if len(packet) == 100 && packet[0] == 15<<3 {
			number = int64(binary.BigEndian.Uint64(packet[1:]))
		}
		r.packets = append(r.packets, streamed{time.Now(), number})
	}
	if n > 2 && p.granule != r.granule+samples {
		wrong("granule %d after %d with %d samples", p.granule, r.granule, samples)
	}
	r.granule = p.granule
}

// numbers are the voice packets that came since, in order.
func (r *radio) numbers(since time.Time) (list []int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.packets {
		if p.number >= 0 && !p.at.Before(since) {
			list = append(list, p.number)
		}
	}
	return list
}

// position is where the stream stands; whole says whether it has no seams.
func (r *radio) position() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.granule
}

func (r *radio) whole(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.seams {
		t.Errorf("%s: %s", r.who.name, s)
	}
}

// untilHeard waits for a voice.
func (r *radio) untilHeard() {
	r.who.t.Helper()
	r.until("hears a voice", func() bool { return len(r.numbers(time.Time{})) > 0 })
}

// untilOver waits for the end and says when it came.
func (r *radio) untilOver() (at time.Time) {
	r.who.t.Helper()
	r.until("is at the end", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		at = r.over
		return !at.IsZero()
	})
	return at
}

func (r *radio) until(what string, is func() bool) {
	r.who.t.Helper()
	begin := time.Now()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for ; !is(); <-poll.C {
		if time.Since(begin) > joinTime {
			r.who.t.Fatalf("never happened: %s %s", r.who.name, what)
		}
	}
}

type oggPage struct {
	kind    byte
	granule int64
	packets [][]byte
}

// readPage reads a page of RFC 3533 §6, all of whose packets must end in it.
func readPage(from io.Reader) (p oggPage, err error) {
	head := make([]byte, 27)
	if _, err = io.ReadFull(from, head); err != nil {
		return p, err
	}
	if string(head[:5]) != "OggS\x00" {
		return p, fmt.Errorf("no page: %x", head)
	}
	lacing := make([]byte, head[26])
	if _, err = io.ReadFull(from, lacing); err != nil {
		return p, err
	}
	length := 0
	for _, x := range lacing {
		length += int(x)
	}
	body := make([]byte, length)
	if _, err = io.ReadFull(from, body); err != nil {
		return p, err
	}
	p.kind, p.granule = head[5], int64(binary.LittleEndian.Uint64(head[6:]))
	sum := binary.LittleEndian.Uint32(head[22:])
	clear(head[22:26])
	if got := oggSum(head, lacing, body); got != sum {
		return p, fmt.Errorf("checksum %x, not %x", sum, got)
	}
	size := 0
	for _, x := range lacing {
		if size += int(x); x < 255 {
			p.packets, body, size = append(p.packets, body[:size]), body[size:], 0
		}
	}
	if size != 0 {
		return p, fmt.Errorf("a packet goes on in the next page")
	}
	return p, nil
}

// oggSum is the checksum of Ogg by way of the library's, whose polynomial is the same but whose bits stand the
// other way round, and which begins and ends with all bits set.
func oggSum(parts ...[]byte) uint32 {
	sum := ^uint32(0)
	for _, part := range parts {
		turned := make([]byte, len(part))
		for i, x := range part {
			turned[i] = bits.Reverse8(x)
		}
		sum = crc32.Update(sum, crc32.IEEETable, turned)
	}
	return bits.Reverse32(^sum)
}

// samplesOf is how long a packet is (RFC 6716 §3.1, §3.2).
func samplesOf(p []byte) int64 {
	frame := int64(120) << (p[0] >> 3 & 3)
	switch config := p[0] >> 3; {
	case config < 12:
		frame = []int64{480, 960, 1920, 2880}[config&3]
	case config < 16:
		frame = 480 << (config & 1)
	}
	switch p[0] & 3 {
	case 0:
		return frame
	case 3:
		return frame * int64(p[1]&63)
	}
	return 2 * frame
}
