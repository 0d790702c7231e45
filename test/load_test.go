package test

import (
	"context"
	"encoding/json"
	"os/exec"
	"testing"
	"time"

	"besedka/load"
)

func TestLoadCommandFindsNoLossInAQuietRoom(t *testing.T) {
	w := begin(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, "load", "--url", w.url, "--token", w.founder().token,
		"--speakers", "2", "--listeners", "20", "--duration", "2s", "--json").Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var r load.Report
	if err := json.Unmarshal([]byte(lastLine(string(out))), &r); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("\n%s", r)
	if r.Joins.OK != 20 || r.Frames.LossPercent > 1 || r.Frames.Heard < 20*2*90 || r.Undecryptable != 0 || r.LostSessions != 0 || len(r.Sources) != 2 {
		t.Errorf("20 listeners of 2 speakers for 2 s:\n%s", r)
	}
	if cards, _ := w.founder().must("GET", "/hallway", nil).json()["rooms"].([]any); len(cards) != 0 {
		t.Errorf("the room of the load test is still open: %v", cards)
	}
}
