package dbtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"besedka/db"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// install says what is missing.
const install = "PostgreSQL 15 or newer is needed for the storage tests: install the package postgresql (Debian: apt-get install postgresql-15); " +
	"its initdb and postgres are looked for in /usr/lib/postgresql/*/bin and in PATH"

// template is the database with all migrations applied that every test's database is a copy of.
const template = "besedka_template"

// server is the PostgreSQL of this test program.
var server struct {
	once sync.Once
	dir  string // its socket is here
	keep io.Closer
	err  error

	mu    sync.Mutex
	count int
}

// freshDatabase gives the URL of a database of the test's own, which is dropped when the test ends.
func freshDatabase(t *testing.T) string {
	t.Helper()
	server.once.Do(func() { server.err = start() })
	if server.err != nil {
		t.Fatalf("start PostgreSQL: %v", server.err)
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	server.count++
	name := "test_" + strconv.Itoa(server.count)
	if err := manage(`CREATE DATABASE ` + name + ` TEMPLATE ` + template); err != nil {
		t.Fatalf("create database: %v", err)
	}
	t.Cleanup(func() {
		server.mu.Lock()
		defer server.mu.Unlock()
		if err := manage(`DROP DATABASE ` + name + ` WITH (FORCE)`); err != nil {
			t.Errorf("drop database: %v", err)
		}
	})
	return address(name)
}

func address(database string) string {
	q := url.Values{"host": {server.dir}, "user": {"besedka"}}
	return (&url.URL{Scheme: "postgres", Path: "/" + database, RawQuery: q.Encode()}).String()
}

func manage(statement string) error {
	d, err := sql.Open("pgx", address("postgres"))
	if err != nil {
		return err
	}
	_, err = d.Exec(statement)
	return errors.Join(err, d.Close())
}

// start makes a cluster and runs it under a shell that waits for the end of its
// standard input, which comes when this program ends, however it ends; then the
// shell stops the server and removes the folder.
func start() error {
	bin, err := binaries()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "besedka-pg-")
	if err != nil {
		return err
	}
	server.dir = dir
	attr, err := otherUser(dir)
	if err != nil {
		return err
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "--no-sync", "--auth=trust", "--username=besedka",
		"--encoding=UTF8", "--locale=C", "--pgdata="+filepath.Join(dir, "data"))
	initdb.SysProcAttr, initdb.Dir = attr, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("initdb: %w: %s", err, out), os.RemoveAll(dir))
	}

	const script = `"$0" -D data -k "$PWD" -c listen_addresses= -c fsync=off -c full_page_writes=off \
		-c shared_buffers=32MB -c max_connections=300 >log 2>&1 </dev/null &
	pid=$!; read -r line; kill -QUIT $pid; wait $pid; cd /; rm -rf "$OLDPWD"`
	sh := exec.Command("/bin/sh", "-c", script, filepath.Join(bin, "postgres"))
	sh.SysProcAttr, sh.Dir = attr, dir
	sh.Env = append(os.Environ(), "LC_ALL=C")
	// A process group of its own: an interrupt from the terminal must not end the shell before its work.
	sh.SysProcAttr.Setpgid = true
	if server.keep, err = sh.StdinPipe(); err != nil {
		return err
	}
	if err := sh.Start(); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	if err := ready(); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		return fmt.Errorf("%w\n%s", err, log)
	}
	return makeTemplate()
}

// binaries finds the folder of the server programs, the newest first.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	best, newest := "", 0
	for _, path := range found {
		version, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		if err == nil && version >= 15 && version > newest {
			best, newest = filepath.Dir(path), version
		}
	}
	if best != "" {
		return best, nil
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", errors.New(install)
}

// otherUser gives the folder to the user postgres when we are root, as whom PostgreSQL refuses to run.
func otherUser(dir string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{}
	if os.Getuid() != 0 {
		return attr, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("%s; as root, the user postgres is needed: %w", install, err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, os.Chown(dir, int(uid), int(gid))
}

// ready waits until the server answers.
func ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		c, err := pgx.Connect(ctx, address("postgres"))
		if err == nil {
			return c.Close(ctx)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL does not answer: %w", err)
		case <-again.C:
		}
	}
}

func makeTemplate() error {
	if err := manage(`CREATE DATABASE ` + template); err != nil {
		return err
	}
	d, err := db.Open(context.Background(), db.Options{
		URL: address(template), Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		return fmt.Errorf("migrate the template: %w", err)
	}
	return d.Close()
}
