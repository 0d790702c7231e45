// Package account knows who may sign in and how: invitations, passphrases,
// sessions, bearer tokens, guests' tokens, and suspension by the operator.
//
// Nobody has an account without an invitation, and everybody's profile says for
// ever who invited them. The first owner signs up by a one-time link.
//
// What a profile shows besides the name is the account's own: a photo, of which
// nothing of the file that came is kept but its pixels, a bio and links. While an
// account is suspended nobody is shown its photo.
//
// Of every secret only a hash is kept: SHA-256 of codes and tokens, which carry
// 128 and 256 random bits, and argon2id of passphrases. Answers and their timing
// do not tell whether a username exists to somebody who is not signed in.
//
// A session or token ends 30 days after it was last used and 180 days after it
// was made; a guest's token 24 hours after it was made. A revoked credential is
// refused at once by the process that revoked it and within about a second by
// every other one, by way of the topic "credentials" in the outbox, which Run reads.
package account
