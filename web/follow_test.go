package web_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestEventsOverHTTP2AreTheSame(t *testing.T) {
	w := oneWorld(t)
	anna := w.member("anna")
	room := anna.open("open")
	second := httptest.NewUnstartedServer(w.web.Handler())
	second.EnableHTTP2 = true
	second.StartTLS()
	defer second.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req := anna.request("GET", "/events?room="+room, nil).WithContext(ctx)
	req.URL.Scheme, req.URL.Host = "https", strings.TrimPrefix(second.URL, "https://")
	res, err := second.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.ProtoMajor != 2 || res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s %s %v", res.Proto, res.Status, res.Header)
	}
	s := &stream{t: t, res: res, scan: bufio.NewScanner(res.Body)}
	s.next("hello")
	anna.must(200, "PATCH", "/rooms/"+room, object{"title": "Later"})
	s.next("room_titled")
	anna.must(204, "DELETE", "/rooms/"+room, nil)
	s.next("room_ended")
	s.ends()
}

func TestClientThatTalksIntoItsEventStreamIsCut(t *testing.T) {
	w := oneWorld(t)
	anna := w.member("anna")
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.http.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := anna.request("GET", "/events", nil).Write(conn); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	for line := ""; !strings.HasPrefix(line, "data: "); {
		if line, err = in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	for err == nil { // until the server has closed the connection
		_, err = conn.Write(bytes.Repeat([]byte("x"), 1024))
	}
	if slow, ok := err.(net.Error); ok && slow.Timeout() {
		t.Error("the server reads whatever it is told")
	}
}

func TestEventStreamEndsBehindItsLastEventWhenTheServerStops(t *testing.T) {
	w := oneWorld(t)
	s := w.member("anna").events(t, "/events")
	s.next("hello")
	w.live.Stopping(func() time.Duration { return time.Second })
	s.next("server_stopping")
	if rest, err := io.ReadAll(s.res.Body); err != nil || len(rest) != 0 {
		t.Errorf("%q, %v behind the last event", rest, err)
	}
}

// TestIdleEventStreamIsSmall holds streams to less than a third of what net/http keeps for a request.
func TestIdleEventStreamIsSmall(t *testing.T) {
	const most = 8 << 10
	w := oneWorld(t)
	open := w.eventStreams(t)
	before := inUse()
	conns := open()
	if each := (inUse() - before) / int64(len(conns)); each > most {
		t.Errorf("%d bytes a stream, want at most %d", each, most)
	}
}
