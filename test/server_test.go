package test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const readyTimeout = 20 * time.Second

// server is the program at work on a folder of its own.
type server struct {
	dir      string
	database string // "" is SQLite in dir
	url      string
	listen   string
	media    string
	metrics  string
	settings []string // further ones, as environment variables

	cmd    *exec.Cmd
	ended  chan struct{}
	output *output
}

// place finds free ports for a server on a folder. They lie below those that the
// kernel gives to whoever asks for any, so that they stay free while the server is down.
func place(dir, database string) (*server, error) {
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 12000+rand.IntN(20000))
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		defer l.Close()
		// The media address takes TCP as well (ICE-TCP): it is the next port. Then come the metrics.
		_, port, _ := net.SplitHostPort(address)
		n, _ := strconv.Atoi(port)
		media := fmt.Sprintf("127.0.0.1:%d", n+1)
		m, err := net.Listen("tcp", media)
		if err != nil {
			continue
		}
		defer m.Close()
		u, err := net.ListenPacket("udp", media)
		if err != nil {
			continue
		}
		defer u.Close()
		metrics := fmt.Sprintf("127.0.0.1:%d", n+2)
		o, err := net.Listen("tcp", metrics)
		if err != nil {
			continue
		}
		defer o.Close()
		return &server{dir: dir, database: database, url: "http://" + address, listen: address, media: media, metrics: metrics}, nil
	}
	return nil, errors.New("no free ports")
}

// storage are the flags that say which instance it is.
func (s *server) storage() []string {
	flags := []string{"--data", s.dir}
	if s.database != "" {
		flags = append(flags, "--database", s.database)
	}
	return flags
}

// start starts the program and gives the time until it was ready.
func (s *server) start() (time.Duration, error) {
	s.output, s.ended = &output{}, make(chan struct{})
	s.cmd = exec.Command(program, append([]string{"serve", "--listen", s.listen, "--url", s.url, "--media", s.media}, s.storage()...)...)
	s.cmd.Env = append(os.Environ(), "BESEDKA_METRICS="+s.metrics)
	s.cmd.Env = append(s.cmd.Env, s.settings...)
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	begin := time.Now()
	if err := s.cmd.Start(); err != nil {
		return 0, err
	}
	go func(c *exec.Cmd, ended chan struct{}) { _ = c.Wait(); close(ended) }(s.cmd, s.ended)
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		if r, err := http.Get(s.url + "/healthz"); err == nil {
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return time.Since(begin), nil
			}
		}
		select {
		case <-s.ended:
			return 0, fmt.Errorf("the server ended:\n%s", s.output)
		case <-poll.C:
		}
		if time.Since(begin) > readyTimeout {
			s.kill()
			return 0, fmt.Errorf("the server is not ready after %s:\n%s", readyTimeout, s.output)
		}
	}
}

// kill is kill -9.
func (s *server) kill() { s.signal(syscall.SIGKILL) }

// stop is the orderly end.
func (s *server) stop() { s.signal(syscall.SIGTERM) }

func (s *server) signal(sig os.Signal) {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(sig)
	select {
	case <-s.ended:
	case <-time.After(15 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
	s.cmd = nil
}

// restart kills the server and starts it again on the same folder and ports.
func (s *server) restart(t *testing.T) time.Duration {
	t.Helper()
	s.kill()
	d, err := s.start()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// admin runs an operator's command and gives what it printed.
func (s *server) admin(stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, program, append(append([]string{"admin"}, args...), s.storage()...)...)
	c.Stdin = strings.NewReader(stdin)
	var problem bytes.Buffer
	c.Stderr = &problem
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("admin %s: %w: %s", strings.Join(args, " "), err, problem.String())
	}
	return string(out), nil
}

// lastLine is what commands print for programs.
func lastLine(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return lines[len(lines)-1]
}

// password is everybody's.
const password = "correct horse battery"

// usernames of the people of every instance: one founder, who signed up with
// the owner's link, and others whom the operator made.
var usernames = []string{"founder", "anna", "boris", "clara", "dmitri", "elena", "fyodor", "galina"}

// template is an instance with people, made once and copied by every test.
var template struct {
	dir    string
	tokens map[string]string
	ids    map[string]string
}

func makeTemplate(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	s, err := place(dir, "")
	if err != nil {
		return err
	}
	if _, err := s.start(); err != nil {
		return err
	}
	defer s.stop()
	template.dir = dir
	template.tokens, template.ids, err = s.populate()
	return err
}

var ownerLink = regexp.MustCompile(`https?://\S+/join/[0-9A-Za-z]+`)

// ownerLink waits for the link that the first start prints; it may come a moment after the server answers.
func (s *server) ownerLink() string {
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for begin := time.Now(); time.Since(begin) < readyTimeout; <-poll.C {
		if link := ownerLink.FindString(s.output.String()); link != "" {
			return link
		}
	}
	return ""
}

// populate makes the people of an instance: their tokens and ids by username.
func (s *server) populate() (tokens, ids map[string]string, err error) {
	tokens, ids = map[string]string{}, map[string]string{}
	link := s.ownerLink()
	for i, name := range usernames {
		if i == 0 {
			stranger := &person{server: s}
			a, err := stranger.try(http.MethodPost, "/accounts", object{"invitation": link, "username": name, "name": "Founder", "password": password})
			if err != nil || a.status != http.StatusCreated {
				return nil, nil, fmt.Errorf("sign up the owner with %q: %v %v", link, a, err)
			}
			ids[name] = a.text("id")
		} else {
			out, err := s.admin(password+"\n", "account", "create", "--username", name, "--name", strings.ToUpper(name[:1])+name[1:])
			if err != nil {
				return nil, nil, err
			}
			ids[name] = lastLine(out)
		}
		out, err := s.admin("", "token", "create", "--username", name)
		if err != nil {
			return nil, nil, err
		}
		tokens[name] = lastLine(out)
	}
	return tokens, ids, nil
}

// world is a running server and its people.
type world struct {
	*server
	people map[string]*person
}

// begin starts a server on a copy of the template; it ends with the test.
func begin(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(template.dir)); err != nil {
		t.Fatal(err)
	}
	return run(t, dir, "", template.tokens, template.ids)
}

func run(t *testing.T, dir, database string, tokens, ids map[string]string) *world {
	t.Helper()
	s, err := place(dir, database)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("the server's output:\n%s", s.output)
		}
	})
	w := &world{server: s, people: map[string]*person{}}
	for name, token := range tokens {
		w.people[name] = &person{t: t, server: s, name: name, id: ids[name], token: token}
	}
	return w
}

func (w *world) founder() *person { return w.people["founder"] }

// member is the i-th of those who are not founders.
func (w *world) member(i int) *person { return w.people[usernames[1+i]] }

// output keeps the first MiB of what a program writes.
type output struct {
	mu sync.Mutex
	b  []byte
}

var _ io.Writer = (*output)(nil)

// Write keeps what still fits.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.b = append(o.b, p[:min(len(p), 1<<20-len(o.b))]...)
	return len(p), nil
}

// String is what was kept.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.b)
}

// database is the file of an instance on SQLite.
func (s *server) file() string { return filepath.Join(s.dir, "besedka.db") }
