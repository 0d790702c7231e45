package account

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// The largest texts, in characters.
const (
	maxName      = 60
	maxNote      = 280
	maxRule      = 100
	maxFacts     = 2000
	maxUserAgent = 200
	maxBio       = 2000
	maxLabel     = 40
	maxURL       = 200
)

// validUsername says whether the text is 3 to 16 characters of a–z, 0–9 and _.
func validUsername(s string) bool {
	if len(s) < 3 || len(s) > 16 {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' {
			return false
		}
	}
	return true
}

// cleanText gives the text in one spelling (Unicode NFC) without white space
// around it. ok is false for text that is longer than longest, or that carries
// controls or marks that change the direction of the text around it.
func cleanText(s string, longest int) (clean string, ok bool) { return cleanBut(s, longest, "") }

// cleanBut is cleanText that lets some controls be.
func cleanBut(s string, longest int, allowed string) (clean string, ok bool) {
	unfit := func(r rune) bool { return unfit(r) && !strings.ContainsRune(allowed, r) }
	if len(s) > 16*longest || !utf8.ValidString(s) {
		return "", false
	}
	s = norm.NFC.String(strings.TrimSpace(s))
	if utf8.RuneCountInString(s) > longest || strings.ContainsFunc(s, unfit) {
		return "", false
	}
	return s, true
}

// unfit says that a character has no place in a single line of text.
func unfit(r rune) bool {
	switch {
	case unicode.IsControl(r), r == '\u2028', r == '\u2029':
		return true
	case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069': // overrides and isolates of direction
		return true
	}
	return false
}

// validName gives the name of a person as it is kept, or ErrNameInvalid.
func validName(name string) (string, error) {
	clean, ok := cleanText(name, maxName)
	if !ok || !strings.ContainsFunc(clean, func(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) && r != '\u3164' }) {
		return "", ErrNameInvalid
	}
	return clean, nil
}

// shorten makes what a browser says of itself fit to be kept and shown.
func shorten(userAgent string) string {
	clean := strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unfit(r) {
			return -1
		}
		return r
	}, userAgent[:min(len(userAgent), 4*maxUserAgent)])
	if runes := []rune(clean); len(runes) > maxUserAgent {
		return string(runes[:maxUserAgent])
	}
	return clean
}
