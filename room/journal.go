package room

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"besedka"
)

// journal keeps the removals that are in force and not written to the database
// yet in a small file, so that they are in force again after a crash. A record
// is on disk before Remove goes on to the database, and is taken out when the
// row is there. It holds what the row will hold.
type journal struct {
	path string // "" keeps nothing

	mu      sync.Mutex
	records []record
}

// record is a line of the file.
type record struct {
	Room    besedka.RoomID        `json:"room"`
	Target  besedka.ParticipantID `json:"target"`
	By      besedka.AccountID     `json:"by"`
	Reason  string                `json:"reason"`
	Note    string                `json:"note,omitempty"`
	At      time.Time             `json:"at"`
	WasHere bool                  `json:"was_here,omitempty"`
}

// journalAtMost bounds the records; more removals are kept in memory only.
const journalAtMost = 10_000

var errJournalFull = errors.New("too many removals wait for the database")

// open reads what a process before this one has left. A line that a crash cut
// short was not yet in force.
func (j *journal) open() error {
	if j.path == "" {
		return nil
	}
	text, err := os.ReadFile(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("removals that wait for the database: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() && len(j.records) < journalAtMost {
		var r record
		if json.Unmarshal(lines.Bytes(), &r) == nil && r.Room != "" && r.Target != "" {
			j.records = append(j.records, r)
		}
	}
	return lines.Err()
}

func (j *journal) all() []record {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.records)
}

// add has the record on disk when it returns nil.
func (j *journal) add(r record) error {
	if j.path == "" {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.records) >= journalAtMost {
		return errJournalFull
	}
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(j.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	// A line begins anew behind one that was cut short.
	_, err = f.Write(append(append([]byte("\n"), line...), '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if len(j.records) == 0 {
		err = errors.Join(err, syncFolder(j.path)) // the file may be new
	}
	if err == nil {
		j.records = append(j.records, r)
	}
	return err
}

// forget takes out the records of a room.
func (j *journal) forget(room besedka.RoomID) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	rest := slices.DeleteFunc(slices.Clone(j.records), func(r record) bool { return r.Room == room })
	if len(rest) == len(j.records) {
		return nil
	}
	var text []byte
	for _, r := range rest {
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		text = append(append(text, line...), '\n')
	}
	if err := j.replaceLocked(text); err != nil {
		return err
	}
	j.records = rest
	return nil
}

// replaceLocked puts a file of this text, or none, in the place of the file.
func (j *journal) replaceLocked(text []byte) error {
	if len(text) == 0 {
		return errors.Join(os.Remove(j.path), syncFolder(j.path))
	}
	f, err := os.OpenFile(j.path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return errors.Join(os.Rename(j.path+".new", j.path), syncFolder(j.path))
}

func syncFolder(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// note keeps a removal that is in force until it is written.
func (s *Service) note(c *conversation, target besedka.ParticipantID) {
	c.mu.RLock()
	b, waits := c.state.barred.get(target)
	c.mu.RUnlock()
	if !waits {
		return
	}
	err := s.journal.add(record{c.id, target, b.By, b.Reason, b.Note, b.At, b.wasHere})
	if err != nil {
		s.log.Error("removal is in force, and lost if the server dies before the database is back", "room", c.id, "error", err)
	}
}

// written takes a room's removals out of the journal when all have rows. c.cmd must be held.
func (s *Service) written(c *conversation) {
	c.mu.RLock()
	waiting := len(c.state.barred.rows)
	c.mu.RUnlock()
	if waiting > 0 {
		return
	}
	if err := s.journal.forget(c.id); err != nil {
		s.log.Warn("written removal is kept beside the database", "room", c.id, "error", err)
	}
}

// replay puts into force what the journal holds. The next sweep writes it.
func (s *Service) replay(ctx context.Context) error {
	if err := s.journal.open(); err != nil {
		return err
	}
	for _, r := range s.journal.all() {
		c, err := s.find(ctx, r.Room)
		if err != nil && !errors.Is(err, besedka.ErrNotFound) {
			return err
		}
		if err != nil || s.known(r.Room) == nil {
			if err := s.journal.forget(r.Room); err != nil { // the room is over
				return err
			}
			continue
		}
		c.lock()
		s.seatOnly(c, func(st *State) {
			st.barAgain(r.Target, barring{Removal{By: r.By, Reason: r.Reason, Note: r.Note, At: r.At}, r.WasHere})
		})
		s.unlock(c)
	}
	return nil
}
