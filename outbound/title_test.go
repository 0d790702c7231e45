package outbound

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestTitles(t *testing.T) {
	for _, c := range []struct{ name, kind, page, want string }{
		{"plain", "text/html", "<title>Hello</title>", "Hello"},
		{"entities", "text/html", "<title>Tea &amp; &quot;talk&quot; &#1095;</title>", `Tea & "talk" ч`},
		{"white space", "text/html", "<title>\n  a\t b\r\n c&nbsp;d </title>", "a b c d"},
		{"capitals and attributes", "text/html", "<HTML><HEAD><TITLE lang=en>Big</TITLE>", "Big"},
		{"tags inside are text", "text/html", "<title><b>bold</b></title>", "<b>bold</b>"},
		{"comment before", "text/html", "<!-- <title>no</title> --><title>yes</title>", "yes"},
		{"script before", "text/html", "<script>var a='<title>no</title>'</script><title>yes</title>", "yes"},
		{"empty, then Open Graph", "text/html", `<meta property="og:title" content="Graph &amp; co"><title> </title>`, "Graph & co"},
		{"the title wins", "text/html", `<meta property="og:title" content="Graph"><title>Title</title>`, "Title"},
		{"none", "text/html", "<p>text", ""},
		{"nothing", "text/html", "", ""},
		{"not in the body", "text/html", "<head></head><body><title>no</title>", ""},
		{"not of a picture", "text/html", "<svg><title>no</title></svg>", ""},
		{"unclosed", "text/html", "<title>open", "open"},
		{"windows-1251 by header", "text/html; charset=windows-1251", "<title>\xcf\xf0\xe8\xe2\xe5\xf2</title>", "Привет"},
		{"windows-1251 by meta", "text/html", "<meta charset=windows-1251><title>\xcf\xf0\xe8\xe2\xe5\xf2</title>", "Привет"},
		{"koi8-r by http-equiv", "text/html", `<meta http-equiv="Content-Type" content="text/html; charset=koi8-r"><title>` + "\xf0\xd2\xc9\xd7\xc5\xd4</title>", "Привет"},
		{"Shift_JIS", "text/html; charset=Shift_JIS", "<title>\x83\x65\x83\x58\x83\x67</title>", "テスト"},
		{"UTF-16 by its mark", "text/html", "\xff\xfe<\x00t\x00i\x00t\x00l\x00e\x00>\x00x\x00<\x00/\x00t\x00i\x00t\x00l\x00e\x00>\x00", "x"},
		{"UTF-8 with a mark", "text/html", "\xef\xbb\xbf<meta charset=koi8-r><title>Привет</title>", "Привет"},
		{"an unknown charset", "text/html; charset=martian", "<meta charset=utf-8><title>ok</title>", "ok"},
		{"turned text", "text/html; charset=utf-8", "<title>a\u202eb\u2066c\u200fd</title>", "abcd"},
		{"controls", "text/html", "<title>a\x00b\x1bc\x07</title>", "ab c"},
		{"broken UTF-8", "text/html; charset=utf-8", "<title>a\xffb</title>", "ab"},
	} {
		if got := Title(strings.NewReader(c.page), c.kind); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestLongTitlesAreCut(t *testing.T) {
	got := Title(strings.NewReader("<title>"+strings.Repeat("я ", 4000)+"</title>"), "text/html; charset=utf-8")
	if n := utf8.RuneCountInString(got); n > MaxTitle || n < MaxTitle-5 || !strings.HasSuffix(got, "…") {
		t.Errorf("%d characters: %q", n, got)
	}
}

func FuzzTitle(f *testing.F) {
	f.Add([]byte("<title>Hello</title>"), "text/html")
	f.Add([]byte("<meta charset=windows-1251><title>\xcf\xf0</title>"), "text/html; charset=koi8-r")
	f.Add([]byte("\xff\xfe<\x00t\x00"), "text/html")
	f.Add([]byte(`<meta property=og:title content="x">`), "application/xhtml+xml")
	f.Add([]byte("<title>\u202e&#x202e;&#0;&#xd800;</title>"), "text/html; charset=utf-8")
	f.Fuzz(func(t *testing.T, page []byte, kind string) {
		got := Title(strings.NewReader(string(page)), kind)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > MaxTitle || got != strings.TrimSpace(got) {
			t.Errorf("%q", got)
		}
		for _, r := range got {
			if unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp) {
				t.Errorf("%q has %U", got, r)
			}
		}
	})
}
