//go:build linux

// Command crowd measures what a full room costs the server without sound: people
// who take a seat and follow its events, come and go, and look at it. It starts a
// server of its own and reads what it uses from /proc.
//
//	go build -o bin/besedka ./cmd/besedka && go run ./bench/crowd -people 5000
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

var (
	program = flag.String("program", "bin/besedka", "the server's program")
	people  = flag.Int("people", 5000, "in the audience, each with an event stream")
	rate    = flag.Int("rate", 200, "who come in a second")
	window  = flag.Duration("window", 10*time.Second, "of each measurement")
	listen  = flag.String("listen", "127.0.0.1:18973", "the server's address")
	media   = flag.String("media", "127.0.0.1:18974", "and that of its media")
)

const members = 8 // who look at the room and govern it

func main() {
	flag.Parse()
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// crowd is a room and those in it.
type crowd struct {
	server  *exec.Cmd
	dir     string
	base    string
	http    *http.Client
	room    string
	tokens  []string // of members; the first is the host's
	guests  []string
	events  atomic.Int64
	bytes   atomic.Int64
	streams sync.WaitGroup
}

func run(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := &crowd{base: "http://" + *listen + "/api/v1",
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	if c.dir, err = os.MkdirTemp("", "crowd-"); err != nil {
		return err
	}
	defer os.RemoveAll(c.dir)
	if err := c.start(); err != nil {
		return err
	}
	defer func() {
		cancel()
		c.streams.Wait()
		_ = c.server.Process.Kill() // it has nothing to save
		_ = c.server.Wait()
	}()
	if err := c.open(); err != nil {
		return err
	}
	for _, token := range c.tokens {
		if err := c.follow(ctx, token); err != nil {
			return err
		}
	}
	fmt.Printf("%-44s %10s %10s %12s %12s\n", "", "CPU, s", "of a core", "resident, MB", "events/s")
	steps := []struct {
		name string
		do   func(context.Context) error
	}{
		{fmt.Sprintf("%d join, %d a second", *people, *rate), c.join},
		{"they follow, nothing happens", c.rest},
		{"20 speakers' taps a second (one by one)", c.taps},
		{"20 come and 20 go a second", c.churn},
		{fmt.Sprintf("%d views a second by members", *people/15), c.views},
	}
	for _, step := range steps {
		if err := c.measure(ctx, step.name, step.do); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// measure says what the server used while do went on.
func (c *crowd) measure(ctx context.Context, name string, do func(context.Context) error) error {
	before, began, events := c.cpu(), time.Now(), c.events.Load()
	if err := do(ctx); err != nil {
		return err
	}
	used, took := c.cpu()-before, time.Since(began).Seconds()
	fmt.Printf("%-44s %10.2f %9.1f%% %12.1f %12.0f\n", name, used, 100*used/took, c.resident(), float64(c.events.Load()-events)/took)
	return nil
}

func (c *crowd) start() error {
	c.server = exec.Command(*program, "serve", "--data", c.dir, "--listen", *listen, "--media", *media, "--url", "http://"+*listen, "--metrics", "",
		"--room-listeners", strconv.Itoa(*people+members))
	c.server.Stderr = os.Stderr
	if err := c.server.Start(); err != nil {
		return err
	}
	for range 200 {
		if res, err := c.http.Get("http://" + *listen + "/healthz"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("the server is not ready")
}

// admin runs a command of the operator and gives the lines it prints.
func (c *crowd) admin(stdin string, args ...string) ([]string, error) {
	cmd := exec.Command(*program, append([]string{"admin"}, append(args, "--data", c.dir)...)...)
	cmd.Stdin, cmd.Stderr = strings.NewReader(stdin), os.Stderr
	out, err := cmd.Output()
	return strings.Fields(string(out)), err
}

func (c *crowd) open() error {
	for i := range members {
		name := fmt.Sprint("member", i)
		if _, err := c.admin("a long passphrase of "+name+"\n", "account", "create", "--username", name, "--name", name); err != nil {
			return err
		}
		token, err := c.admin("", "token", "create", "--username", name)
		if err != nil {
			return err
		}
		c.tokens = append(c.tokens, token[len(token)-1])
	}
	var room struct{ ID string }
	if err := c.call("POST", "/rooms", c.tokens[0], map[string]any{"kind": "open", "title": "Crowd", "guests_allowed": true}, &room); err != nil {
		return err
	}
	c.room = room.ID
	for _, token := range c.tokens[1:] {
		if err := c.call("PUT", "/rooms/"+c.room+"/seat", token, nil, nil); err != nil {
			return err
		}
	}
	for left := *people; left > 0; left -= 1000 {
		lines, err := c.admin("", "guests", "--room", c.room, "--count", strconv.Itoa(min(left, 1000)))
		if err != nil {
			return err
		}
		c.guests = append(c.guests, lines...)
	}
	return nil
}

// call makes one request and reads its answer into out, unless that is nil.
func (c *crowd) call(method, path, token string, body, out any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	if body == nil {
		text = nil
	}
	req, err := http.NewRequest(method, c.base+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s %s", method, path, res.Status, answer)
	}
	if err == nil && out != nil {
		err = json.Unmarshal(answer, out)
	}
	return err
}

// each runs do for the numbers below n, at a pace.
func each(n int, perSecond int, do func(i int) error) error {
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	var all sync.WaitGroup
	failed := make(chan error, n)
	for i := range n {
		<-tick.C
		all.Go(func() {
			if err := do(i); err != nil {
				failed <- err
			}
		})
	}
	all.Wait()
	close(failed)
	return <-failed
}

func (c *crowd) join(ctx context.Context) error {
	return each(len(c.guests), *rate, func(i int) error {
		if err := c.call("PUT", "/rooms/"+c.room+"/seat", c.guests[i], nil, nil); err != nil {
			return err
		}
		return c.follow(ctx, c.guests[i])
	})
}

// follow opens an event stream and reads it until ctx is done.
func (c *crowd) follow(ctx context.Context, token string) error {
	req, err := http.NewRequestWithContext(ctx, "GET", c.base+"/events?room="+c.room, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return fmt.Errorf("events: %s", res.Status)
	}
	c.streams.Go(func() {
		defer res.Body.Close()
		text := make([]byte, 2048)
		for {
			n, err := res.Body.Read(text)
			c.events.Add(int64(bytes.Count(text[:n], []byte("\ndata: ")) + bytes.Count(text[:min(n, 6)], []byte("data: "))))
			c.bytes.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	return nil
}

func (c *crowd) rest(context.Context) error {
	time.Sleep(*window)
	return nil
}

// taps are two on stage who clap with their microphones.
func (c *crowd) taps(context.Context) error {
	const perSecond = 20
	return each(int(window.Seconds())*perSecond, perSecond, func(i int) error {
		method := "PUT"
		if i/2%2 == 1 {
			method = "DELETE"
		}
		return c.call(method, "/rooms/"+c.room+"/mute", c.tokens[i%2], nil, nil)
	})
}

func (c *crowd) churn(context.Context) error {
	const perSecond = 20
	return each(int(window.Seconds())*perSecond, perSecond, func(i int) error {
		token := c.guests[i%len(c.guests)]
		if err := c.call("DELETE", "/rooms/"+c.room+"/seat", token, nil, nil); err != nil {
			return err
		}
		return c.call("PUT", "/rooms/"+c.room+"/seat", token, nil, nil)
	})
}

func (c *crowd) views(context.Context) error {
	perSecond := max(*people/15, 1)
	return each(int(window.Seconds())*perSecond, perSecond, func(i int) error {
		return c.call("GET", "/rooms/"+c.room, c.tokens[i%members], nil, nil)
	})
}

// cpu is what the server has used, in seconds.
func (c *crowd) cpu() float64 {
	text, err := os.ReadFile(c.proc("stat"))
	if err != nil {
		log.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100 // clock ticks of Linux
}

// resident is the server's memory, in megabytes.
func (c *crowd) resident() float64 {
	text, err := os.ReadFile(c.proc("status"))
	if err != nil {
		log.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	return kb / 1024
}

func (c *crowd) proc(name string) string {
	return filepath.Join("/proc", strconv.Itoa(c.server.Process.Pid), name)
}
