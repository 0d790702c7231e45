package besedka

import (
	"errors"
	"time"
)

// Kind is the family of an error. One table in package web maps it to an HTTP status.
type Kind int

// The kinds of errors. The zero value is an internal fault, whose cause is for the log only.
const (
	Internal        Kind = iota // something of ours broke
	Invalid                     // the input cannot be used
	Unauthenticated             // nobody is signed in
	Forbidden                   // this person may not do it
	NotFound                    // it does not exist, or this person may not know that it does
	Conflict                    // it does not fit the present state
	Gone                        // it has ended
	TooLarge                    // the input is larger than allowed
	Unsupported                 // the media type is not one we take
	TooMany                     // over budget: try again after RetryAfter
	Unavailable                 // cannot be served now: try again after RetryAfter
)

// Error is an error with two voices: Code is stable and meant for machines
// (snake_case; people's words in every language are kept under it by package
// i18n), Cause is for the log and never leaves the server.
type Error struct {
	Kind       Kind
	Code       string
	Field      string        // the input field at fault, if one is
	RetryAfter time.Duration // for TooMany and Unavailable
	Cause      error
}

// Error says code and cause; it is for logs, not for people.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Code
	}
	return e.Code + ": " + e.Cause.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is makes errors.Is(err, ErrX) true for every error of the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// In is a copy of the error that names the input field at fault.
func (e *Error) In(field string) *Error {
	c := *e
	c.Field = field
	return &c
}

// After is a copy of the error that says when to try again.
func (e *Error) After(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// Because is a copy of the error that carries a cause for the log.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.Cause = cause
	return &c
}

// NewError declares an error. Capabilities declare theirs as package variables
// named Err…; package i18n must hold words for every code in every language.
func NewError(kind Kind, code string) *Error { return &Error{Kind: kind, Code: code} }

// Errors that more than one capability returns.
var (
	ErrNotFound        = NewError(NotFound, "not_found")
	ErrUnauthenticated = NewError(Unauthenticated, "unauthenticated")
	ErrForbidden       = NewError(Forbidden, "forbidden")
	ErrInvalid         = NewError(Invalid, "invalid_request")
	ErrTooMany         = NewError(TooMany, "too_many_requests")
	ErrModeratorsOnly  = NewError(Forbidden, "moderators_only")
)

// AsError finds the Error in err's chain; anything else becomes an internal
// error with err as its cause. It returns nil for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: Internal, Code: "internal", Cause: err}
}
