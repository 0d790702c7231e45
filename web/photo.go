package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"besedka"
	"besedka/account"
	"besedka/picture"
)

const (
	setPhotoPattern = "PUT " + apiBase + "/me/photo"
	photoPattern    = "GET " + apiBase + "/photos/{photo}/{size}"

	typeJPEG = "image/jpeg"

	// uploadTimeout is for 8 MiB from a telephone with a poor connection.
	uploadTimeout = 2 * time.Minute
	// uploadsAtOnce bounds the photos that are held while they arrive, each of up to 8 MiB.
	uploadsAtOnce = 8
)

// photoTypes are the types of pictures that are taken. What it is, its content says.
var photoTypes = []string{typeJPEG, "image/png", "image/webp", "image/gif"}

// photoPolicy lets nothing happen where a picture is opened as a page.
const photoPolicy = "default-src 'none'; sandbox; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

var errPhotosBusy = besedka.NewError(besedka.Unavailable, "photos_busy").After(5 * time.Second)

// setPhoto takes the caller's photo.
func (s *Server) setPhoto(w http.ResponseWriter, r *http.Request) {
	c := callerOf(r.Context())
	a, err := s.takePhoto(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.Rooms.ForgetPerson(c.Account)
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(s.self(a, c.Credential)); err != nil {
		s.log.Debug("answer not sent", "error", err)
	}
}

func (s *Server) takePhoto(w http.ResponseWriter, r *http.Request) (account.Account, error) {
	c := callerOf(r.Context())
	if err := s.limits.uploads.spend(string(c.Account)); err != nil {
		return account.Account{}, err
	}
	select {
	case s.uploads <- struct{}{}:
		defer func() { <-s.uploads }()
	default:
		return account.Account{}, errPhotosBusy
	}
	file, err := readPhoto(w, r)
	if err != nil {
		return account.Account{}, err
	}
	return s.Accounts.SetPhoto(r.Context(), c.Account, file)
}

// readPhoto reads the body, for longer than other requests may take.
func readPhoto(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	rc := http.NewResponseController(w)
	until := time.Now().Add(uploadTimeout)
	if err := errors.Join(rc.SetReadDeadline(until), rc.SetWriteDeadline(until.Add(writeTimeout))); err != nil {
		return nil, err
	}
	var body bytes.Buffer // of the size that it is said to have, so that there is no second copy
	body.Grow(int(min(max(r.ContentLength, 0), picture.MaxBytes)) + bytes.MinRead)
	_, err := body.ReadFrom(r.Body)
	file := body.Bytes()
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, errTooLarge
	case err != nil:
		return nil, errTimeout.Because(err)
	case len(file) == 0:
		return nil, picture.ErrInvalid
	}
	return file, nil
}

func (s *Server) removePhoto(ctx context.Context, _ *struct{}) (*nothing, error) {
	me := callerOf(ctx).Account
	err := s.Accounts.RemovePhoto(ctx, me)
	s.Rooms.ForgetPerson(me)
	return done(err)
}

// photo sends a picture. Its name is all that is needed to see it, cannot be
// guessed, and never names another picture.
func (s *Server) photo(w http.ResponseWriter, r *http.Request) {
	photo, size := r.PathValue("photo"), r.PathValue("size")
	file, err := s.Accounts.Photo(r.Context(), photo, account.PhotoSize(size))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer file.Close()
	h := w.Header()
	h.Del("Vary")
	h.Set("Content-Type", typeJPEG)
	h.Set("Content-Disposition", `attachment; filename="photo.jpg"`)
	h.Set("Content-Security-Policy", photoPolicy)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("ETag", `"`+photo+"-"+size+`"`)
	http.ServeContent(w, r, "", file.Modified, file)
}

type changeMeInput struct {
	Body struct {
		Name  *string         `json:"name,omitempty" doc:"1 to 60 characters. It may be changed once."`
		Bio   *string         `json:"bio,omitempty" doc:"At most 2,000 characters; line breaks are kept."`
		Links *[]account.Link `json:"links,omitempty" doc:"At most 5, instead of those there were."`
	}
}

func (s *Server) changeMe(ctx context.Context, in *changeMeInput) (*out[Self], error) {
	c := callerOf(ctx)
	if err := s.limits.changes.spend(string(c.Account)); err != nil {
		return nil, err
	}
	a, err := s.Accounts.SetProfile(ctx, c.Account, account.Change{Name: in.Body.Name, Bio: in.Body.Bio, Links: in.Body.Links})
	s.Rooms.ForgetPerson(c.Account)
	return reply(s.self(a, c.Credential), err)
}

func opSetPhoto() *huma.Operation {
	content := make(map[string]*huma.MediaType)
	for _, kind := range photoTypes {
		content[kind] = &huma.MediaType{Schema: &huma.Schema{Type: "string", Format: "binary", Description: "At most 8 MiB, 40 megapixels, 12,000 pixels a side, and 60 MiB to decode."}}
	}
	return &huma.Operation{
		OperationID: "set-photo", Summary: "Set my photo; its middle is kept, and nothing else that is in the file",
		RequestBody: &huma.RequestBody{Required: true, Content: content},
		Responses: map[string]*huma.Response{"200": {
			Description: "Me", Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Ref: "#/components/schemas/Me"}}},
		}},
	}
}

func opPhoto() *huma.Operation {
	return &huma.Operation{
		OperationID: "photo", Summary: "A photo: small is 128 pixels wide, large 512. It never changes",
		Responses: map[string]*huma.Response{"200": {
			Description: "The picture", Content: map[string]*huma.MediaType{typeJPEG: {Schema: &huma.Schema{Type: "string", Format: "binary"}}},
		}},
	}
}
