package web

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"besedka"
	"besedka/media"
)

// Patterns of WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep), which speak SDP.
const (
	whipPattern    = "POST " + apiBase + "/rooms/{room}/whip"
	whepPattern    = "POST " + apiBase + "/rooms/{room}/whep"
	tricklePattern = "PATCH " + apiBase + "/rooms/{room}/sessions/{session}"
	hangUpPattern  = "DELETE " + apiBase + "/rooms/{room}/sessions/{session}"
	whipOptions    = "OPTIONS " + apiBase + "/rooms/{room}/whip"
	whepOptions    = "OPTIONS " + apiBase + "/rooms/{room}/whep"
	sessionOptions = "OPTIONS " + apiBase + "/rooms/{room}/sessions/{session}"
)

const (
	typeSDP     = "application/sdp"
	typeTrickle = "application/trickle-ice-sdpfrag" // RFC 8840 section 9
)

// flowHeader says in the answer to PATCH how many milliseconds ago the server sent sound
// to this listener, or heard from this speaker: who sees it otherwise has lost his path.
const flowHeader = "Besedka-Flow-Age"

// mediaTypes are the types of bodies of the routes that do not take JSON.
var mediaTypes = map[string][]string{
	whipPattern: {typeSDP}, whepPattern: {typeSDP}, testWHEPPattern: {typeSDP}, tricklePattern: {typeTrickle}, setPhotoPattern: photoTypes,
}

// foreign are the routes that players of other sites may use with a bearer token.
var foreign = map[string]bool{
	whipPattern: true, whepPattern: true, tricklePattern: true, hangUpPattern: true,
	whipOptions: true, whepOptions: true, sessionOptions: true,
}

// allowForeignPlayers lets scripts of other sites use WHIP and WHEP, as these
// ask for. Cookies are never allowed: without them another site has only the token
// that somebody gave it.
func (s *Server) allowForeignPlayers(h http.Header, c *call) {
	if !foreign[c.pattern] || c.byCookie {
		return
	}
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "Location, ETag, Link, Retry-After, "+flowHeader)
}

// mediaOptions answers OPTIONS of an endpoint (RFC 9725 section 4.2) and the preflight of CORS.
func (s *Server) mediaOptions(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	methods := "POST, OPTIONS"
	if callOf(r.Context()).pattern == sessionOptions {
		methods = "PATCH, DELETE, OPTIONS"
		h.Set("Accept-Patch", typeTrickle)
	} else {
		h.Set("Accept-Post", typeSDP)
		s.linkRelay(h, roomOf(r), callerOf(r.Context()))
	}
	h.Set("Allow", methods)
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match")
	h.Set("Access-Control-Max-Age", "7200")
	w.WriteHeader(http.StatusNoContent)
}

// whep lets the caller hear a room; who is not in it enters.
func (s *Server) whep(w http.ResponseWriter, r *http.Request) {
	c := callerOf(r.Context())
	if err := s.limits.media.spend(string(c.Credential)); err != nil {
		s.fail(w, r, err)
		return
	}
	offer, err := readBody(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if err := s.enterToHear(r.Context(), roomOf(r)); err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, media.Down, offer)
}

// whip lets the caller be heard in a room, on whose stage they must be.
func (s *Server) whip(w http.ResponseWriter, r *http.Request) {
	c := callerOf(r.Context())
	if err := s.limits.media.spend(string(c.Credential)); err != nil {
		s.fail(w, r, err)
		return
	}
	offer, err := readBody(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if err := s.mayPublish(r.Context(), roomOf(r)); err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, media.Up, offer)
}

// mayPublish wants the caller to be in the room with this credential; whether
// they are on stage is known to media. A seat taken with another credential is
// taken over, as entering does. Entering is also what tells a person removed
// from a stranger; neither gets in.
func (s *Server) mayPublish(ctx context.Context, room besedka.RoomID) error {
	c := callerOf(ctx)
	in, with, seated := s.Rooms.SeatOf(c.Participant())
	if seated && in == room && with == c.Credential {
		return nil
	}
	err := s.Rooms.See(ctx, room, c.actor())
	switch {
	case errors.Is(err, besedka.ErrNotFound), err == nil && seated && in == room:
		if err := s.Rooms.Enter(ctx, room, c.actor()); err != nil {
			return err
		}
		return s.seated(ctx, room)
	case err != nil:
		return err
	}
	return media.ErrNotOnStage
}

// answer makes a session for an offer and sends the answer (RFC 9725 section 4.2).
func (s *Server) answer(w http.ResponseWriter, r *http.Request, dir media.Direction, offer []byte) {
	c, room := callerOf(r.Context()), roomOf(r)
	session, err := s.Media.Answer(r.Context(), dir, room, c.Participant(), c.Credential, offer)
	if errors.Is(err, media.ErrNotInRoom) {
		err = media.ErrNotOnStage // they left while they asked
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	// Revocation closes the sessions that it finds: a session made meanwhile must not survive it.
	if err := s.still(r.Context()); err != nil {
		_ = s.Media.CloseSession(session.ID, room, c.Participant()) // it may be gone already
		s.fail(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", typeSDP)
	h.Set("Location", apiBase+"/rooms/"+string(room)+"/sessions/"+string(session.ID))
	h.Set("ETag", sessionTag(session.ID))
	s.linkRelay(h, room, c)
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write(session.SDP) // a client that is gone will not connect: the session is reaped
}

// hangUp ends a session of the caller's own (RFC 9725 section 4.2). Knowing the
// address of somebody else's is not enough.
func (s *Server) hangUp(w http.ResponseWriter, r *http.Request) {
	c := callerOf(r.Context())
	if err := s.Media.CloseSession(media.SessionID(r.PathValue("session")), roomOf(r), c.Participant()); err != nil {
		s.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// trickle takes candidates, which a server that waits to be reached does not need, and
// tells how the sound flows.
func (s *Server) trickle(w http.ResponseWriter, r *http.Request) {
	c, id := callerOf(r.Context()), media.SessionID(r.PathValue("session"))
	frag, err := readBody(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	err = s.Media.Trickle(id, roomOf(r), c.Participant(), frag)
	if !errors.Is(err, besedka.ErrNotFound) { // whose session it is comes before all else
		err = cmp.Or(checkTag(r.Header.Values("If-Match"), id), err)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if flow, err := s.Media.Flow(id, roomOf(r), c.Participant()); err == nil && flow.Any {
		w.Header().Set(flowHeader, strconv.FormatInt(flow.Age.Milliseconds(), 10))
	}
	w.WriteHeader(http.StatusNoContent)
}

// sessionTag is the entity tag of a session's ICE session. There is one as long
// as the session lasts, because there are no ICE restarts: a client makes a new session instead.
func sessionTag(id media.SessionID) string {
	sum := sha256.Sum256([]byte("ice " + id))
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}

// checkTag wants If-Match to name the session's tag (RFC 9725 section 4.3.1). The
// tag "*" asks for an ICE restart, which is not done here.
func checkTag(header []string, id media.SessionID) error {
	if len(header) == 0 {
		return errETagRequired
	}
	for tag := range strings.SplitSeq(strings.Join(header, ","), ",") {
		switch strings.TrimSpace(tag) {
		case sessionTag(id):
			return nil
		case "*":
			return errICERestart
		}
	}
	return errETag
}

// readBody reads the bounded body.
func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, errTooLarge
	case err != nil:
		return nil, errTimeout.Because(err)
	}
	return body, nil
}

func roomOf(r *http.Request) besedka.RoomID { return besedka.RoomID(r.PathValue("room")) }
