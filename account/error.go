package account

import "besedka"

// What this package refuses. Besides these it returns besedka.ErrNotFound,
// besedka.ErrUnauthenticated, besedka.ErrInvalid and db.ErrUnavailable.
var (
	ErrInvitationInvalid  = besedka.NewError(besedka.NotFound, "invitation_invalid").In("invitation")
	ErrNoInvitationsLeft  = besedka.NewError(besedka.Conflict, "no_invitations_left")
	ErrUsernameTaken      = besedka.NewError(besedka.Conflict, "username_taken").In("username")
	ErrUsernameInvalid    = besedka.NewError(besedka.Invalid, "username_invalid").In("username")
	ErrNameInvalid        = besedka.NewError(besedka.Invalid, "name_invalid").In("name")
	ErrPasswordTooShort   = besedka.NewError(besedka.Invalid, "password_too_short").In("password")
	ErrPasswordTooLong    = besedka.NewError(besedka.Invalid, "password_too_long").In("password")
	ErrPasswordTooCommon  = besedka.NewError(besedka.Invalid, "password_too_common").In("password")
	ErrPasswordWrong      = besedka.NewError(besedka.Forbidden, "password_wrong").In("current")
	ErrCredentialsInvalid = besedka.NewError(besedka.Unauthenticated, "credentials_invalid")
	ErrTooManyAttempts    = besedka.NewError(besedka.TooMany, "too_many_attempts")
	ErrSuspended          = besedka.NewError(besedka.Forbidden, "account_suspended")
	ErrBioInvalid         = besedka.NewError(besedka.Invalid, "bio_invalid").In("bio")
	ErrLinksInvalid       = besedka.NewError(besedka.Invalid, "links_invalid").In("links")
	ErrNameChanged        = besedka.NewError(besedka.Conflict, "name_already_changed").In("name")
	ErrBusy               = besedka.NewError(besedka.Unavailable, "account_busy")
)
