package account_test

import (
	"testing"

	"besedka/account"
)

func TestPredictablePassphrasesAreRefused(t *testing.T) {
	for _, c := range []struct {
		password string
		want     error
	}{
		{"correct horse battery staple", nil},
		{"seven tall birches by the river", nil},
		{"сорок тысяч обезьян", nil},
		{"🌲🦉🌊🔥🍄🐌🌙🪵🦔🌾🐝🍂🪶🦊🌰", nil},
		{"the channel opens at dawn", nil}, // "ann" inside a word
		{"8395017264903581", nil},          // random digits
		{"long-secret-password", nil},      // more than common words
		{"Tr0ub4dor&3-and-more", nil},
		{"short", account.ErrPasswordTooShort},
		{"пароль пароль", account.ErrPasswordTooShort},
		{"my name is ann okay", account.ErrPasswordTooCommon},
		{"passwordpassword", account.ErrPasswordTooCommon},
		{"Password123456789", account.ErrPasswordTooCommon},
		{"123456789012345678", account.ErrPasswordTooCommon},
		{"aaaaaaaaaaaaaaaa", account.ErrPasswordTooCommon},
		{"xyzxyzxyzxyzxyzxyz", account.ErrPasswordTooCommon},
		{"qwertyuiopasdfghjkl", account.ErrPasswordTooCommon},
		{"йцукенгшщзхъфывапр", account.ErrPasswordTooCommon},
		{"пароль1234567890", account.ErrPasswordTooCommon},
		{"besedka besedka 2026", account.ErrPasswordTooCommon},
		{"petrova-petrova-77", account.ErrPasswordTooCommon}, // the name
	} {
		if got := account.CheckPassword(c.password, "ann", "Anna Petrova"); got != c.want {
			t.Errorf("%q: got %v, want %v", c.password, got, c.want)
		}
	}
	if got := account.CheckPassword("i am Maria_Petrova of Tver", "maria_petrova", "M"); got != account.ErrPasswordTooCommon {
		t.Errorf("a passphrase with the username: %v", got)
	}
}

func TestOperatorMaySetShorterPassphrases(t *testing.T) {
	for password, want := range map[string]error{
		"k8-pine!":         nil,
		"test-password":    nil,
		"seven77":          account.ErrPasswordTooShort,
		"password":         account.ErrPasswordTooCommon,
		"Password123":      account.ErrPasswordTooCommon,
		"12345678":         account.ErrPasswordTooCommon,
		"aaaaaaaa":         account.ErrPasswordTooCommon,
		"secret-pine-tree": nil,
	} {
		if got := account.CheckOperatorPassword(password); got != want {
			t.Errorf("%q: got %v, want %v", password, got, want)
		}
	}
}
