package besedka

import (
	"encoding/base32"
	"fmt"
	"io"
)

// Ids are opaque text with 128 random bits. They are never row numbers, so
// that nobody can count or enumerate what they name.
type (
	// AccountID names an account: somebody who can sign in.
	AccountID string
	// RoomID names a live conversation.
	RoomID string
	// GuestID names somebody without an account who may listen to one room.
	// It begins with "guest-", which no AccountID does.
	GuestID string
	// ParticipantID names anyone in a room: the text of an AccountID or of a GuestID.
	ParticipantID string
	// CredentialID names what somebody signed in with: a browser session, a
	// bearer token or a guest's token. It is not the secret.
	CredentialID string
	// InvitationID names an invitation to join the instance. It is not the secret code.
	InvitationID string
)

// GuestPrefix begins every GuestID.
const GuestPrefix = "guest-"

// Participant is the account as somebody in a room.
func (a AccountID) Participant() ParticipantID { return ParticipantID(a) }

// Participant is the guest as somebody in a room.
func (g GuestID) Participant() ParticipantID { return ParticipantID(g) }

// IsGuest says whether the participant has no account.
func (p ParticipantID) IsGuest() bool {
	return len(p) > len(GuestPrefix) && p[:len(GuestPrefix)] == GuestPrefix
}

// Account is the account behind the participant, or "" for a guest.
func (p ParticipantID) Account() AccountID {
	if p.IsGuest() {
		return ""
	}
	return AccountID(p)
}

var idText = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID draws 128 bits from random and writes them as 26 characters of
// lower-case base32 (digits and letters without i, l, o, u). It panics when
// random fails, because nothing may go on without randomness.
func NewID(random io.Reader) string {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		panic(fmt.Sprintf("no randomness: %v", err))
	}
	return idText.EncodeToString(b[:])
}
