package doctor

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var placeholder = regexp.MustCompile(`\{\w+\}`)

func TestEveryFindingHasWordsInBothLanguages(t *testing.T) {
	for key, s := range sayings {
		english, russian := s[0], s[1]
		for _, pair := range [][2]string{{english.what, russian.what}, {english.todo, russian.todo}} {
			a, b := placeholder.FindAllString(pair[0], -1), placeholder.FindAllString(pair[1], -1)
			slices.Sort(a)
			slices.Sort(b)
			if !slices.Equal(a, b) || (pair[0] == "") != (pair[1] == "") {
				t.Errorf("%s: %q and %q", key, pair[0], pair[1])
			}
		}
		if english.what == "" {
			t.Errorf("%s has no words", key)
		}
	}
	what, todo := Finding{Warn, "certificate_due", args("until", "2030-01-02")}.Words(true)
	if !strings.Contains(what, "2030-01-02") || todo == "" {
		t.Errorf("%q %q", what, todo)
	}
}

func TestAnAnswerIsRead(t *testing.T) {
	s, err := readAnswer("v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:secret\r\na=candidate:1 1 udp 1 192.0.2.1 7882 typ host\r\n"+
		"a=candidate:1 1 udp 1 192.0.2.1 7882 typ host\r\na=candidate:2 1 tcp 1 2001:db8::1 7882 typ host tcptype passive\r\na=candidate:x\r\n", "own")
	want := []candidate{{"udp", netip.MustParseAddrPort("192.0.2.1:7882")}, {"tcp", netip.MustParseAddrPort("[2001:db8::1]:7882")}}
	if err != nil || !slices.Equal(s.candidates, want) || s.ufrag != "abcd" || s.password != "secret" {
		t.Errorf("%+v %v", s, err)
	}
	for _, bad := range []string{"", "v=0", "a=ice-ufrag:x\r\na=ice-pwd:y\r\n"} {
		if _, err := readAnswer(bad, "own"); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestWhatIsPublic(t *testing.T) {
	resolve := func(host string) []netip.Addr {
		return map[string][]netip.Addr{"out.example": {netip.MustParseAddr("203.0.113.5")}, "in.example": {netip.MustParseAddr("10.0.0.1")}}[host]
	}
	for host, want := range map[string]bool{"out.example": true, "in.example": false, "gone.example": false, "127.0.0.1": false, "10.1.1.1": false, "203.0.113.9": true} {
		if isPublic(host, resolve) != want {
			t.Errorf("%s: want %v", host, want)
		}
	}
}
