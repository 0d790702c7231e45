package room

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/net/idna"

	"besedka"
	"besedka/db"
)

// Bounds of what is pinned (F2).
const (
	MaxPins     = 500             // ever, in one room
	MaxLink     = 2000            // bytes of a URL
	MaxPinTitle = 200             // runes
	pinEvery    = 2 * time.Second // each leads to a request to somebody else's server
	pinsShown   = 100

	previewQueue = 64
	previewers   = 4
)

// Pin is the link at the top of a room; Number 0 is none.
type Pin struct {
	Number int64
	URL    string
	Domain string // as people should read it
	Title  string // "" until the page was looked at, and where it has none
	By     besedka.AccountID
	At     time.Time
}

// Pinned is a pin as people in the room see it.
type Pinned struct {
	URL    string    `json:"url" doc:"http or https; its host in ASCII."`
	Domain string    `json:"domain" doc:"The host as people should read it."`
	Title  string    `json:"title" doc:"Of the page, as text; empty until it was looked at, and where it has none."`
	At     time.Time `json:"at"`
	By     Person    `json:"by"`
}

// PastPin is a link that is or was pinned.
type PastPin struct {
	Pinned
	Until *time.Time `json:"until" doc:"Null while it is pinned."`
}

// SetPin puts a link at the top of the room, in the place of any other. Moderators only.
func (s *State) SetPin(by besedka.AccountID, link string, now time.Time) error {
	if err := s.needModerator(by); err != nil {
		return err
	}
	link, domain, err := cleanLink(link)
	switch {
	case err != nil:
		return err
	case link == s.text.Pin.URL:
		return nil
	case s.text.Pins >= MaxPins:
		return ErrTooManyPins
	case now.Sub(s.text.PinChanged) < pinEvery:
		return besedka.ErrTooMany.After(pinEvery - now.Sub(s.text.PinChanged))
	}
	s.text.Pins++
	s.text.PinChanged = now
	s.text.Pin = Pin{Number: s.text.Pins, URL: link, Domain: domain, By: by, At: now}
	s.tell("pinned", fields{"url": link, "domain": domain, "at": now, "by": by})
	s.log(by, LogPinned, "", link)
	return nil
}

// Unpin takes the link away; there need be none. Moderators only.
func (s *State) Unpin(by besedka.AccountID, now time.Time) error {
	if err := s.needModerator(by); err != nil {
		return err
	}
	if s.text.Pin.Number == 0 {
		return nil
	}
	s.text.Pin, s.text.PinChanged = Pin{}, now
	s.tell("unpinned", fields{"by": by})
	s.log(by, LogUnpinned, "", "")
	return nil
}

// PinPreviewed tells the title of the page that a pin leads to, if it is still pinned.
func (s *State) PinPreviewed(number int64, title string) {
	title, ok := cleanText(title, MaxPinTitle)
	if s.Ended() || !ok || title == "" || s.text.Pin.Number != number || s.text.Pin.Title == title {
		return
	}
	s.text.Pin.Title = title
	s.tell("pin_previewed", fields{"url": s.text.Pin.URL, "title": title})
}

// cleanLink says whether people may be sent to a URL, and how it and its host are written.
func cleanLink(link string) (clean, domain string, err error) {
	text, ok := cleanText(link, MaxLink)
	if !ok || len(text) > MaxLink {
		return "", "", ErrLinkInvalid.In("url")
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Opaque != "" {
		return "", "", ErrLinkInvalid.In("url")
	}
	host, err := idna.Lookup.ToASCII(strings.TrimSuffix(u.Hostname(), "."))
	if strings.Contains(u.Hostname(), ":") {
		host, err = u.Hostname(), nil // an IPv6 address
	}
	if err != nil || host == "" || strings.Contains(host, "%") {
		return "", "", ErrLinkInvalid.In("url")
	}
	domain = readable(host)
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port := u.Port(); port != "" {
		host += ":" + port
	}
	u.Host = host
	if clean = u.String(); len(clean) > MaxLink {
		return "", "", ErrLinkInvalid.In("url")
	}
	return clean, domain, nil
}

// readable is the host as people should read it: in letters where the top level
// and all that is not ASCII are Cyrillic, which cannot be taken for anything
// else; otherwise in ASCII, so that nobody is led to аррӏе.com.
func readable(host string) string {
	letters, err := idna.Display.ToUnicode(host)
	if err != nil {
		return host
	}
	labels := strings.Split(letters, ".")
	for i, label := range labels {
		if last := i == len(labels)-1; !isCyrillic(label) && (last || !isASCII(label)) {
			return host
		}
	}
	return letters
}

func isCyrillic(label string) bool {
	return label != "" && !strings.ContainsFunc(label, func(r rune) bool {
		return !unicode.Is(unicode.Cyrillic, r) && r != '-' && (r < '0' || r > '9')
	})
}

func isASCII(label string) bool {
	return !strings.ContainsFunc(label, func(r rune) bool { return r > unicode.MaxASCII })
}

// preview is a pin whose page is to be looked at.
type preview struct {
	room   besedka.RoomID
	number int64
	url    string
}

// SetPin is State.SetPin. The page is looked at afterwards, if Preview runs.
func (s *Service) SetPin(ctx context.Context, room besedka.RoomID, a Actor, link string) error {
	var was, set Pin
	err := s.command(ctx, room, a, func(st *State, by besedka.AccountID, now time.Time) error {
		was = st.text.Pin
		err := st.SetPin(by, link, now)
		set = st.text.Pin
		return err
	})
	if err != nil || set.Number == was.Number {
		return err
	}
	select {
	case s.previews <- preview{room, set.Number, set.URL}:
	default:
		s.log.Warn("page of a pin not looked at: too many wait", "room", room)
	}
	return nil
}

// Unpin is State.Unpin.
func (s *Service) Unpin(ctx context.Context, room besedka.RoomID, a Actor) error {
	return s.command(ctx, room, a, func(st *State, by besedka.AccountID, now time.Time) error { return st.Unpin(by, now) })
}

// Preview looks at the pages of links that are pinned until ctx is done. title
// gives the title of a page; its errors are for the log.
func (s *Service) Preview(ctx context.Context, title func(ctx context.Context, url string) (string, error)) error {
	var workers sync.WaitGroup
	for range previewers {
		workers.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case p := <-s.previews:
					s.look(ctx, p, title)
				}
			}
		})
	}
	workers.Wait()
	return nil
}

func (s *Service) look(ctx context.Context, p preview, title func(context.Context, string) (string, error)) {
	text, err := title(ctx, p.url)
	if err == nil && text != "" {
		err = s.previewed(ctx, p, text)
	}
	if err != nil && ctx.Err() == nil {
		s.log.Debug("page of a pin has no title", "room", p.room, "error", err)
	}
}

func (s *Service) previewed(ctx context.Context, p preview, title string) error {
	c, err := s.find(ctx, p.room)
	if err != nil {
		return err
	}
	c.lock()
	defer s.unlock(c)
	return s.do(ctx, c, func(st *State) error { st.PinPreviewed(p.number, title); return nil })
}

// Pins lists what is and was pinned in the room, the latest first.
func (s *Service) Pins(ctx context.Context, room besedka.RoomID, a Actor) ([]PastPin, error) {
	if err := s.See(ctx, room, a); err != nil {
		return nil, err
	}
	list, err := s.rows.pins(ctx, room)
	if err != nil {
		return nil, err
	}
	ids := make([]besedka.AccountID, len(list))
	for i := range list {
		ids[i] = list[i].By.ID
	}
	people, unseen := s.people.show(ctx, ids), s.unseenIn(ctx, room, a)
	for i := range list {
		by := list[i].By.ID
		if list[i].By = (Person{}); !unseen(by) {
			list[i].By = people[by]
		}
	}
	return list, nil
}

// pins reads the latest pins.
func (s store) pins(ctx context.Context, room besedka.RoomID) ([]PastPin, error) {
	var list []PastPin
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		list = []PastPin{}
		rows, err := tx.Query(`SELECT url, domain, title, pinned_by, pinned_at, unpinned_at FROM room_pins
			WHERE room_id = $1 ORDER BY number DESC LIMIT $2`, room, pinsShown)
		return each(rows, err, func(scan scanner) error {
			var p PastPin
			var from, until int64
			err := scan(&p.URL, &p.Domain, &p.Title, &p.By.ID, &from, &until)
			p.At = fromMillis(from)
			if until != 0 {
				at := fromMillis(until)
				p.Until = &at
			}
			list = append(list, p)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read pins of room %s: %w", room, err)
	}
	return list, nil
}

func loadPin(tx *db.Tx, room besedka.RoomID, p *Pin) error {
	if p.Number == 0 {
		return nil
	}
	var at int64
	err := tx.QueryRow(`SELECT url, domain, title, pinned_by, pinned_at FROM room_pins WHERE room_id = $1 AND number = $2`,
		room, p.Number).Scan(&p.URL, &p.Domain, &p.Title, &p.By, &at)
	if errors.Is(err, sql.ErrNoRows) {
		*p = Pin{}
		return nil
	}
	p.At = fromMillis(at)
	return err
}

// writePin adds what has changed of the pin, and keeps its history.
func writePin(w *writes, now, was Text) {
	if now.Pin == was.Pin {
		return
	}
	if was.Pin.Number != 0 && now.Pin.Number != was.Pin.Number {
		w.add(`UPDATE room_pins SET unpinned_at = $3 WHERE room_id = $1 AND number = $2`, was.Pin.Number, millis(now.PinChanged))
	}
	if p := now.Pin; p.Number != 0 {
		w.add(`INSERT INTO room_pins (room_id, number, url, domain, title, pinned_by, pinned_at, unpinned_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, 0) ON CONFLICT (room_id, number) DO UPDATE SET title = excluded.title`,
			p.Number, p.URL, p.Domain, p.Title, p.By, millis(p.At))
	}
}
