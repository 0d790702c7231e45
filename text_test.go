package besedka_test

import (
	"strings"
	"testing"

	"besedka"
)

func TestTextOfOthersIsTidied(t *testing.T) {
	for _, c := range []struct {
		in, line, text string
		noLine, noText bool
	}{
		{in: "  tea  ", line: "tea", text: "tea"},
		{in: "one\r\ntwo\rthree\u2028four\tfive", noLine: true, text: "one\ntwo\nthree\nfour five"},
		{in: "call +7\u200e now\u202e", noLine: true, text: "call +7 now"},
		{in: "bell \a", noLine: true, noText: true},
		{in: "\xff", noLine: true, noText: true},
		{in: strings.Repeat("я", 20), line: strings.Repeat("я", 20), text: strings.Repeat("я", 20)},
		{in: strings.Repeat("я", 21), noLine: true, noText: true},
		{in: strings.Repeat(" ", 5000), noText: true},
		{in: "👩‍👩‍👧", line: "👩‍👩‍👧", text: "👩‍👩‍👧"},
	} {
		if got, ok := besedka.CleanLine(c.in, 20); ok == c.noLine || ok && got != c.line {
			t.Errorf("line of %.30q: %q %v", c.in, got, ok)
		}
		if got, ok := besedka.CleanText(c.in, 30); c.in != strings.Repeat("я", 21) && (ok == c.noText || ok && got != c.text) {
			t.Errorf("text of %.30q: %q %v", c.in, got, ok)
		}
		if _, ok := besedka.CleanText(c.in, 20); len([]rune(c.in)) == 21 && ok {
			t.Errorf("%.30q is not too long", c.in)
		}
	}
}
