package main

import (
	"context"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"besedka/load"
)

// start serves the plain forwarder on free ports.
func start(t *testing.T, full bool) string {
	t.Helper()
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	media := free.LocalAddr().String()
	_ = free.Close()
	api, err := newAPI(media, full)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{api: api, rooms: map[string]*room{}}
	h := httptest.NewServer(s.routes())
	t.Cleanup(func() { h.Close(); s.closeAll() })
	return h.URL
}

func TestGeneratorHearsEveryFrameThatPlainPionForwards(t *testing.T) {
	for _, tc := range []struct {
		name            string
		full            bool
		rooms, speakers int
	}{{"ICE-lite", false, 1, 1}, {"full ICE, two rooms of two speakers", true, 2, 2}} {
		t.Run(tc.name, func(t *testing.T) {
			var phases []load.Phase
			rep, err := load.Run(context.Background(), load.Config{
				URL: start(t, tc.full), Token: "any", Rooms: tc.rooms, Speakers: tc.speakers, Listeners: 5,
				Duration: time.Second, Settle: 200 * time.Millisecond, OnPhase: func(p load.Phase) { phases = append(phases, p) },
			})
			if err != nil {
				t.Fatal(err)
			}
			want := uint64(45 * 5 * tc.rooms * tc.speakers) // 50 frames, less the edges of a busy machine
			if rep.Joins.OK != 5*tc.rooms || rep.Frames.Heard < want || rep.Gaps != 0 || rep.Undecryptable != 0 || rep.LostSessions != 0 {
				t.Errorf("want at least %d frames of everybody, without gaps:\n%s", want, rep)
			}
			if rep.Frames.Heard != rep.Frames.Expected || rep.Latency.Samples == 0 || len(phases) != 4 {
				t.Errorf("phases %v\n%s", phases, rep)
			}
		})
	}
}

func TestRunAgainstNobodySaysSo(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := load.Run(ctx, load.Config{URL: "http://127.0.0.1:1", Token: "any", Duration: time.Second}); err == nil {
		t.Fatal("a run without a server was a success")
	}
}
