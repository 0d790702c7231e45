package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"besedka"
	"besedka/account"
	"besedka/card"
	"besedka/i18n"
	"besedka/room"
)

// A link to a room that is shared elsewhere is shown with a picture and a few words
// (the Open Graph protocol, ogp.me). What is private stays so: to strangers only rooms
// that anybody may listen to have a card, and pages of all others say nothing but
// the name of the instance.

const (
	cardPattern = "GET " + apiBase + "/rooms/{room}/card.png"
	typePNG     = "image/png"
)

// Bounds of drawing cards.
const (
	cardsAtOnce = 2
	maxCards    = 64 // kept, a hundred kilobytes each
	cardFor     = time.Minute
	cardWait    = 2 * time.Second
	maxPhoto    = 1 << 20 // bytes
	maxOffset   = 14 * 60 // minutes from UTC
)

var errCardsBusy = besedka.NewError(besedka.Unavailable, "cards_busy").After(2 * time.Second)

// cards are those drawn lately.
type cards struct {
	drawing chan struct{} // a semaphore

	mu   sync.Mutex
	kept map[string]keptCard
}

type keptCard struct {
	png []byte
	at  time.Time
}

func newCards() *cards {
	return &cards{drawing: make(chan struct{}, cardsAtOnce), kept: map[string]keptCard{}}
}

// find gives the card of a key, drawn anew by draw if it is too old.
func (c *cards) find(ctx context.Context, key string, now time.Time, draw func() ([]byte, error)) ([]byte, error) {
	if png := c.fresh(key, now); png != nil {
		return png, nil
	}
	ctx, cancel := context.WithTimeout(ctx, cardWait)
	defer cancel()
	select {
	case c.drawing <- struct{}{}:
		defer func() { <-c.drawing }()
	case <-ctx.Done():
		return nil, errCardsBusy
	}
	if png := c.fresh(key, now); png != nil {
		return png, nil // somebody else has drawn it meanwhile
	}
	png, err := draw()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.kept) >= maxCards {
		clear(c.kept)
	}
	c.kept[key] = keptCard{png, now}
	return png, nil
}

func (c *cards) fresh(key string, now time.Time) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k, ok := c.kept[key]; ok && now.Sub(k.at) < cardFor {
		return k.png
	}
	return nil
}

// card answers with the picture of a room.
func (s *Server) card(w http.ResponseWriter, r *http.Request) {
	var who room.Actor
	if c := callerOf(r.Context()); c != nil {
		who = c.actor()
	}
	png, err := s.drawCard(r, besedka.RoomID(r.PathValue("room")), who)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", typePNG)
	h.Set("Content-Security-Policy", photoPolicy)
	h.Set("Cache-Control", "private, max-age=60")
	if who.Who == "" {
		h.Set("Cache-Control", "public, max-age=60")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
	sum := sha256.Sum256(png)
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	h.Set("ETag", tag)
	if matchesETag(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(png)))
	_, _ = w.Write(png) // the reader may be gone; nothing else is to be done
}

func (s *Server) drawCard(r *http.Request, id besedka.RoomID, who room.Actor) ([]byte, error) {
	ctx, q := r.Context(), r.URL.Query()
	offset, err := strconv.Atoi(q.Get("utc_offset"))
	if q.Get("utc_offset") != "" && (err != nil || offset < -maxOffset || offset > maxOffset) {
		return nil, besedka.ErrInvalid.In("utc_offset")
	}
	poster, err := s.poster(ctx, id, who)
	if err != nil {
		return nil, err
	}
	lang := s.shareLanguage(r, poster)
	if named := i18n.Language(q.Get("lang")); slices.Contains(i18n.Languages(), named) {
		lang = named
	}
	since := poster.StartedAt.UTC().Format("15:04 UTC")
	if q.Get("utc_offset") != "" {
		since = poster.StartedAt.In(time.FixedZone("", offset*60)).Format("15:04")
	}
	c := card.Card{Place: s.Name, Badge: strings.ToUpper(poster.Language), Title: shareTitle(lang, poster), Lines: []string{
		phrase(lang, "share_host", poster.Host.Name),
		phrase(lang, "share_since", since) + " · " + phrase(lang, "share_people", strconv.Itoa(poster.People)),
	}}
	for _, p := range poster.Stage {
		c.Faces = append(c.Faces, card.Face{ID: string(p.ID), Name: p.Name})
	}
	key := fmt.Sprint(id, who.Who == "", c, posterPhotos(poster))
	return s.cards.find(ctx, key, s.Now(), func() ([]byte, error) {
		for i, p := range poster.Stage {
			c.Faces[i].Photo = s.photoOf(ctx, p.Photo)
		}
		return c.PNG()
	})
}

// poster is what the caller may be shown of a room beside a link to it.
func (s *Server) poster(ctx context.Context, id besedka.RoomID, who room.Actor) (*room.Poster, error) {
	if who.Who == "" && !s.Guests {
		return nil, besedka.ErrNotFound
	}
	return s.Rooms.Poster(ctx, id, who)
}

func posterPhotos(p *room.Poster) []string {
	var photos []string
	for _, one := range p.Stage {
		photos = append(photos, one.Photo)
	}
	return photos
}

// photoOf reads a photo, or nil: a card can do without.
func (s *Server) photoOf(ctx context.Context, photo string) []byte {
	if photo == "" {
		return nil
	}
	file, err := s.Accounts.Photo(ctx, photo, account.PhotoSmall)
	if err != nil {
		return nil
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxPhoto))
	if err != nil {
		s.log.Debug("photo not drawn", "error", err)
		return nil
	}
	return text
}

// shareLanguage is the reader's if it says one, else the room's.
func (s *Server) shareLanguage(r *http.Request, p *room.Poster) i18n.Language {
	if r.Header.Get("Accept-Language") == "" && p != nil {
		return i18n.Match(p.Language)
	}
	return callOf(r.Context()).lang
}

func shareTitle(lang i18n.Language, p *room.Poster) string {
	if p.Title != "" {
		return p.Title
	}
	return phrase(lang, "share_untitled", p.Host.Name)
}

// phrase is a sentence of a page with one value in it.
func phrase(lang i18n.Language, key, value string) string {
	return strings.ReplaceAll(lang.Page(key), "{}", value)
}

// sharedRoom is the room whose page a path is, or "".
func sharedRoom(path string) besedka.RoomID {
	for _, prefix := range []string{"rooms/", "listen/"} {
		if id, ok := strings.CutPrefix(path, prefix); ok && validID(id) {
			return besedka.RoomID(id)
		}
	}
	return ""
}

// sharePage is the client's page with what others may show beside a link to it.
func (s *Server) sharePage(w http.ResponseWriter, r *http.Request, id besedka.RoomID, index *clientFile) {
	page := index.plain
	if head, rest, found := strings.Cut(string(page), "</head>"); found {
		page = []byte(head + s.shareTags(r, id) + "</head>" + rest)
	}
	sum := sha256.Sum256(page)
	f := &clientFile{kind: index.kind, etag: `"` + hex.EncodeToString(sum[:12]) + `"`, plain: page}
	w.Header().Set("Vary", "Accept-Language")
	f.serve(w, r)
}

// shareTags are the tags of the Open Graph protocol. Whatever a room holds is text
// here, never a part of the page.
func (s *Server) shareTags(r *http.Request, id besedka.RoomID) string {
	var poster *room.Poster
	if s.limits.stranger.spend(addressKey(callOf(r.Context()).addr)) == nil {
		found, err := s.poster(r.Context(), id, room.Actor{})
		if err != nil && !errors.Is(err, besedka.ErrNotFound) {
			s.log.Warn("page without words about its room", "error", err)
		}
		poster = found
	}
	lang := s.shareLanguage(r, poster)
	tags := [][2]string{{"og:site_name", s.Name}, {"og:type", "website"}, {"og:locale", string(lang)}}
	if poster == nil {
		tags = append(tags, [2]string{"og:title", s.Name}, [2]string{"og:description", lang.Page("share_instance")})
	} else {
		tags = append(tags, [2]string{"og:title", shareTitle(lang, poster)},
			[2]string{"og:description", phrase(lang, "share_room", poster.Host.Name)},
			[2]string{"og:url", s.URL.JoinPath("rooms", string(id)).String()},
			[2]string{"og:image", s.URL.JoinPath(apiBase, "rooms", string(id), "card.png").String() + "?lang=" + string(lang)},
			[2]string{"og:image:type", typePNG}, [2]string{"og:image:width", strconv.Itoa(card.Width)},
			[2]string{"og:image:height", strconv.Itoa(card.Height)}, [2]string{"twitter:card", "summary_large_image"})
	}
	var b strings.Builder
	for _, t := range tags {
		fmt.Fprintf(&b, "<meta property=\"%s\" content=\"%s\">\n", t[0], html.EscapeString(t[1]))
	}
	return b.String()
}

func opCard() *huma.Operation {
	return &huma.Operation{
		OperationID: "room-card", Summary: "A picture of the room to show beside a link to it",
		Description: "1200 × 630 pixels. Without signing in only for rooms that anybody may listen to.",
		Parameters: []*huma.Param{
			{Name: "lang", In: "query", Description: "The language of its words: en or ru. Otherwise that of Accept-Language, or of the room.", Schema: &huma.Schema{Type: "string"}},
			{Name: "utc_offset", In: "query", Description: "Minutes by which the reader's clock is ahead of UTC.", Schema: &huma.Schema{Type: "integer"}},
		},
		Responses: map[string]*huma.Response{"200": {Description: "OK",
			Content: map[string]*huma.MediaType{typePNG: {Schema: &huma.Schema{Type: "string", Format: "binary"}}}}},
	}
}
