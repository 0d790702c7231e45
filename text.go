package besedka

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// CleanLine trims a line of text and says whether it may be shown to others:
// valid UTF-8, at most max runes, no control characters, no line separators and
// nothing that turns the direction of the text around it.
func CleanLine(text string, max int) (string, bool) {
	text = strings.TrimSpace(text)
	if !utf8.ValidString(text) || utf8.RuneCountInString(text) > max {
		return "", false
	}
	for _, r := range text {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			return "", false
		}
	}
	return text, true
}

// CleanText is CleanLine for text of several lines, as people write and paste
// it: every kind of line end becomes "\n", a tab a space, and marks that turn
// the direction of text are left out.
func CleanText(text string, max int) (string, bool) {
	if !utf8.ValidString(text) || len(text) > 8*max {
		return "", false
	}
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, lineEnds.Replace(text))
	text = strings.TrimSpace(text)
	if utf8.RuneCountInString(text) > max {
		return "", false
	}
	return text, strings.IndexFunc(text, func(r rune) bool { return r != '\n' && unicode.IsControl(r) }) < 0
}

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n")
