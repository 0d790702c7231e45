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

func TestLoadCommandMakesItsAccountsOnce(t *testing.T) {
	w := begin(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	made := 0
	for run := range 2 {
		out, err := exec.CommandContext(ctx, program, "load", "--url", w.url, "--token", w.founder().token,
			"--rooms", "2", "--speakers", "2", "--listeners", "1", "--duration", "1s", "--json").Output()
		if err != nil {
			t.Fatalf("run %d: %v\n%s", run+1, err, out)
		}
		invitations, _ := w.founder().must("GET", "/invitations", nil).json()["invitations"].([]any)
		if run == 0 {
			made = len(invitations)
		}
		if len(invitations) != made || made < 3 {
			t.Errorf("%d accounts after run %d, %d after the first", len(invitations), run+1, made)
		}
	}
}

func TestLoadMeasuresEachStepAndWhoComesMeanwhile(t *testing.T) {
	w := begin(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var steps []load.Report
	last, err := load.Run(ctx, load.Config{
		URL: w.url, Token: w.founder().token, Speakers: 1, Listeners: 4, Steps: []int{3}, Arrivals: 5, Streams: true,
		Duration: 2 * time.Second, Settle: time.Second, OnStep: func(r load.Report) bool { steps = append(steps, r); return true },
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, last)
	}
	if len(steps) != 2 {
		t.Fatalf("%d steps", len(steps))
	}
	for i, r := range steps {
		t.Logf("\n%s", r)
		if n := []int{4, 7}[i]; r.Joins.OK != n || r.Arrived.OK != 5 || r.Frames.Heard < uint64(n*90) || r.Frames.LossPercent > 1 || r.LongestGap <= -20 {
			t.Errorf("step %d:\n%s", i+1, r)
		}
	}
}
