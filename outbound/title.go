package outbound

import (
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"golang.org/x/net/html/charset"
)

// MaxTitle is how many characters a title has at most.
const MaxTitle = 200

// Title reads the title out of a page's head: what <title> says, or else the
// property og:title. contentType is the header, whose charset counts as browsers
// count it (WHATWG HTML, "determining the character encoding"). The text comes
// from a stranger: it is one line of valid UTF-8 without controls and without
// marks that turn the direction of what stands around it.
func Title(page io.Reader, contentType string) string {
	text, err := charset.NewReader(page, contentType)
	if err != nil {
		return ""
	}
	z := html.NewTokenizer(text)
	z.SetMaxBuf(MaxBody)
	offered := "" // by og:title
	for {
		switch z.Next() {
		case html.ErrorToken:
			return offered
		case html.StartTagToken, html.SelfClosingTagToken:
			name, hasAttributes := z.TagName()
			switch atom.Lookup(name) {
			case atom.Title:
				if title := titleText(z); title != "" {
					return title
				}
			case atom.Meta:
				if title := openGraph(z, hasAttributes); offered == "" {
					offered = title
				}
			case atom.Body, atom.Svg:
				return offered // what follows is no head
			}
		case html.EndTagToken:
			if name, _ := z.TagName(); atom.Lookup(name) == atom.Head {
				return offered
			}
		}
	}
}

// titleText is what stands in the title element, whose tag was just read.
func titleText(z *html.Tokenizer) string {
	if z.Next() != html.TextToken {
		return ""
	}
	return oneLine(string(z.Text()))
}

// openGraph is the content of a meta element if its property is og:title.
func openGraph(z *html.Tokenizer, more bool) string {
	property, content := "", ""
	for more {
		var key, value []byte
		key, value, more = z.TagAttr()
		switch string(key) {
		case "property", "name":
			property = string(value)
		case "content":
			content = string(value)
		}
	}
	if !strings.EqualFold(property, "og:title") {
		return ""
	}
	return oneLine(content)
}

// oneLine makes text that anybody may see out of text that anybody wrote.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, unicode.In(r, unicode.Bidi_Control, unicode.Co, unicode.Cs):
			return -1
		case unicode.IsSpace(r), unicode.IsControl(r), unicode.In(r, unicode.Zl, unicode.Zp):
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	runes := []rune(text)
	if len(runes) > MaxTitle {
		text = strings.TrimSpace(string(runes[:MaxTitle-1])) + "…"
	}
	return text
}
