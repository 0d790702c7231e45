package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"besedka"
	"besedka/i18n"
)

// Errors that only the HTTP layer makes.
var (
	errTooLarge     = besedka.NewError(besedka.TooLarge, "payload_too_large")
	errUnsupported  = besedka.NewError(besedka.Unsupported, "unsupported_media_type")
	errMethod       = besedka.NewError(besedka.Invalid, "method_not_allowed")
	errTimeout      = besedka.NewError(besedka.Invalid, "request_timeout")
	errCrossOrigin  = besedka.NewError(besedka.Forbidden, "cross_origin")
	errUnavailable  = besedka.NewError(besedka.Unavailable, "unavailable")
	errETag         = besedka.NewError(besedka.Conflict, "etag_mismatch")
	errETagRequired = besedka.NewError(besedka.Conflict, "etag_required")
	errICERestart   = besedka.NewError(besedka.Invalid, "ice_restart_unsupported")
	errStreams      = besedka.NewError(besedka.TooMany, "too_many_streams")
)

// errMalformed is ErrInvalid for what is not even JSON, or not text: 400 instead of 422.
var errMalformed = fmt.Errorf("malformed: %w", besedka.ErrInvalid)

// statuses is the one table from kinds of errors to HTTP.
var statuses = map[besedka.Kind]int{
	besedka.Internal:        http.StatusInternalServerError,
	besedka.Invalid:         http.StatusUnprocessableEntity,
	besedka.Unauthenticated: http.StatusUnauthorized,
	besedka.Forbidden:       http.StatusForbidden,
	besedka.NotFound:        http.StatusNotFound,
	besedka.Conflict:        http.StatusConflict,
	besedka.Gone:            http.StatusGone,
	besedka.TooLarge:        http.StatusRequestEntityTooLarge,
	besedka.Unsupported:     http.StatusUnsupportedMediaType,
	besedka.TooMany:         http.StatusTooManyRequests,
	besedka.Unavailable:     http.StatusServiceUnavailable,
}

// exactStatuses are the codes for which a standard asks for a status of its own.
var exactStatuses = map[string]int{
	"sdp_invalid":        http.StatusBadRequest,           // RFC 9725 section 4.2
	errMethod.Code:       http.StatusMethodNotAllowed,     // RFC 9110 section 15.5.6
	errTimeout.Code:      http.StatusRequestTimeout,       // RFC 9110 section 15.5.9
	errETag.Code:         http.StatusPreconditionFailed,   // RFC 9725 section 4.3.1
	errETagRequired.Code: http.StatusPreconditionRequired, // RFC 9725 section 4.3.1
}

func statusOf(e *besedka.Error) int {
	if status, ok := exactStatuses[e.Code]; ok {
		return status
	}
	return statuses[e.Kind]
}

// Problem is an error as it leaves the server (RFC 9457). Code is stable and for
// programs; Title and Detail are words in the language that was asked for.
type Problem struct {
	Type   string `json:"type" doc:"Always about:blank: Code says what it is."`
	Title  string `json:"title" doc:"The name of the status, in the language asked for."`
	Status int    `json:"status" doc:"The HTTP status."`
	Detail string `json:"detail" doc:"What it means, in the language asked for."`
	Code   string `json:"code" doc:"What it is, for programs: stable, snake_case."`
	Field  string `json:"field,omitempty" doc:"The part of the input at fault."`

	retryAfter time.Duration
	cause      error // for the log
}

// Error is for logs.
func (p *Problem) Error() string {
	if p.cause != nil {
		return p.Code + ": " + p.cause.Error()
	}
	return p.Code
}

// GetStatus makes a Problem a huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is that of problem details (RFC 9457 section 3).
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders makes a Problem a huma.HeadersError.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.retryAfter.Seconds()))))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer") // RFC 9110 section 11.6.1
	}
	return h
}

// defaultRetry is said to who meets a 429 or a 503 that names no time itself.
const defaultRetry = time.Second

// newProblem puts an error into words. What may not be known of has no field, so
// that all these answers are the same bytes.
func newProblem(lang i18n.Language, err error) *Problem {
	e := besedka.AsError(err)
	p := &Problem{
		Type: "about:blank", Status: statusOf(e), Code: e.Code, Field: e.Field,
		retryAfter: e.RetryAfter, cause: e.Cause,
	}
	switch e.Kind {
	case besedka.NotFound:
		p.Field = ""
	case besedka.TooMany, besedka.Unavailable:
		p.retryAfter = max(p.retryAfter, defaultRetry)
	case besedka.Internal:
		p.Code = "internal"
	}
	if errors.Is(err, errMalformed) {
		p.Status = http.StatusBadRequest // RFC 9110 section 15.5.1
	}
	p.Title, p.Detail = lang.Status(p.Status), lang.Error(p.Code)
	return p
}

// fail writes an error to who asked, and its cause to the log.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := s.problem(r.Context(), err)
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	if r.Method == http.MethodHead {
		return
	}
	if err := json.NewEncoder(w).Encode(p); err != nil {
		s.log.Debug("problem not sent", "error", err)
	}
}

// problem puts an error into the words of a request, and logs what is our fault.
func (s *Server) problem(ctx context.Context, err error) *Problem {
	c := callOf(ctx)
	p := newProblem(c.lang, err)
	switch {
	case ctx.Err() != nil: // nobody is there to be told
	case p.Status == http.StatusInternalServerError:
		s.log.Error("request failed", "route", c.pattern, "error", err)
	case p.cause != nil && p.Status == http.StatusServiceUnavailable:
		s.log.Warn("request refused", "route", c.pattern, "error", err)
	}
	return p
}

// init gives huma our form of errors. It has no other place for it than these
// variables, which nothing else in the program uses.
func init() {
	huma.DefaultArrayNullable = false
	huma.NewError = func(status int, _ string, errs ...error) huma.StatusError {
		return newProblem(i18n.English, inputError(status, errs))
	}
	huma.NewErrorWithContext = func(c huma.Context, status int, _ string, errs ...error) huma.StatusError {
		return newProblem(callOf(c.Context()).lang, inputError(status, errs))
	}
}

// inputError translates what huma says of an input that it cannot use.
func inputError(status int, errs []error) error {
	for _, err := range errs {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return errTooLarge
		}
	}
	switch status {
	case http.StatusRequestEntityTooLarge:
		return errTooLarge
	case http.StatusUnsupportedMediaType, http.StatusNotAcceptable:
		return errUnsupported
	case http.StatusRequestTimeout:
		return errTimeout
	case http.StatusBadRequest:
		return errMalformed
	case http.StatusUnprocessableEntity:
		return besedka.ErrInvalid.In(faultyField(errs))
	default:
		return &besedka.Error{Kind: besedka.Internal, Code: "internal", Cause: errors.Join(errs...)}
	}
}

// faultyField is the first field that huma found fault with: "body.title" is "title".
func faultyField(errs []error) string {
	for _, err := range errs {
		d, ok := err.(huma.ErrorDetailer)
		if !ok {
			continue
		}
		_, field, _ := strings.Cut(d.ErrorDetail().Location, ".")
		if field != "" {
			return field
		}
		// A missing property is told of the object that lacks it.
		if _, rest, ok := strings.Cut(d.ErrorDetail().Message, "required property "); ok {
			name, _, _ := strings.Cut(rest, " ")
			return name
		}
	}
	return ""
}
