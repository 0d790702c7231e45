//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// starter starts a server anew, with accounts for so many people.
type starter func(ctx context.Context, people int) (*server, error)

// server is a running server under measurement.
type server struct {
	name, url, token string
	ready            time.Duration // from the start of the process to its first answer
	speakers         []string
	guests           func(ctx context.Context, room string, n int) ([]string, error)
	cmd              *exec.Cmd
	output           *tail
	ended            chan struct{}
}

func (s *server) pid() int    { return s.cmd.Process.Pid }
func (s *server) log() string { return s.output.String() }

// stop ends the process and waits for it. Nothing of it is wanted any more.
func (s *server) stop() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// launch runs a program alone on the server's core and waits until it is ready.
func launch(ctx context.Context, name, url string, args ...string) (*server, error) {
	args = append([]string{"taskset", "-c", strconv.Itoa(serverCore)}, args...)
	s := &server{name: name, url: url, cmd: exec.Command(args[0], args[1:]...), output: &tail{}, ended: make(chan struct{})}
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = s.cmd.Wait(); close(s.ended) }()
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	limit := time.NewTimer(15 * time.Second)
	defer limit.Stop()
	for {
		if r, err := http.Get(url + "/healthz"); err == nil {
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				s.ready = time.Since(began)
				return s, nil
			}
		}
		select {
		case <-poll.C:
		case <-s.ended:
			return nil, fmt.Errorf("%s ended:\n%s", name, s.log())
		case <-limit.C:
			s.stop()
			return nil, fmt.Errorf("%s is not ready after 15 s:\n%s", name, s.log())
		case <-ctx.Done():
			s.stop()
			return nil, ctx.Err()
		}
	}
}

// freePorts gives two addresses that nobody uses right now; the media's is free for UDP and TCP.
func freePorts() (http, media string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	defer l.Close()
	for range 20 {
		var m net.Listener
		if m, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return "", "", err
		}
		defer m.Close()
		var p net.PacketConn
		if p, err = net.ListenPacket("udp", m.Addr().String()); err == nil {
			defer p.Close()
			return l.Addr().String(), m.Addr().String(), nil
		}
	}
	return "", "", err
}

// people makes n accounts, whose tokens open the rooms and speak, and lets guests be made.
func (s *server) people(ctx context.Context, n int, binary, data string) error {
	admin := func(ctx context.Context, stdin string, args ...string) ([]string, error) {
		c := exec.CommandContext(ctx, binary, append(append([]string{"admin"}, args...), "--data", data)...)
		c.Stdin = strings.NewReader(stdin)
		var problem bytes.Buffer
		c.Stderr = &problem
		out, err := c.Output()
		if err != nil {
			return nil, fmt.Errorf("admin %s: %w: %s", strings.Join(args, " "), err, problem.String())
		}
		return strings.Fields(string(out)), nil
	}
	for i := range n {
		name := fmt.Sprintf("speaker_%d", i)
		if _, err := admin(ctx, "long enough for a benchmark\n", "account", "create", "--username", name, "--name", "Speaker"); err != nil {
			return err
		}
		out, err := admin(ctx, "", "token", "create", "--username", name)
		if err != nil || len(out) == 0 {
			return fmt.Errorf("token of %s: %q: %w", name, out, err)
		}
		if i == 0 {
			s.token = out[len(out)-1]
		} else {
			s.speakers = append(s.speakers, out[len(out)-1])
		}
	}
	s.guests = func(ctx context.Context, room string, n int) ([]string, error) {
		return admin(ctx, "", "guests", "--room", room, "--count", strconv.Itoa(n))
	}
	return nil
}

// residentKB reads VmRSS.
func residentKB(pid int) int {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	f := strings.Fields(rest)
	if len(f) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(f[0])
	return n
}

// tail keeps the first 64 KiB of a program's output.
type tail struct {
	mu sync.Mutex
	b  []byte
}

// Write keeps what still fits.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p[:min(len(p), 64<<10-len(t.b))]...)
	return len(p), nil
}

// String is what was kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}
