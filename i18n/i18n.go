// Package i18n holds the words that the server itself says to people, in every
// language it speaks: what an error code means, what a status is called, and the
// few plain pages that are not drawn by the client.
//
// The catalogues are embedded JSON, one file a language, with the same keys in
// each. A key that one language lacks, or an error code declared anywhere in the
// program that has no words, fails the tests and with them the build.
package i18n

import (
	"embed"
	"encoding/json"
	"fmt"
	"strconv"

	"golang.org/x/text/language"
)

// Language names one of the languages that the server speaks, as in BCP 47.
type Language string

// The languages with a catalogue.
const (
	English Language = "en"
	Russian Language = "ru"
)

// Languages lists every language with a catalogue; the first is the one spoken
// to those who ask for none of them.
func Languages() []Language { return []Language{English, Russian} }

//go:embed en.json ru.json
var files embed.FS

type catalogue struct {
	Statuses map[string]string `json:"statuses"` // by HTTP status
	Errors   map[string]string `json:"errors"`   // by error code
	Pages    map[string]string `json:"pages"`    // by key
}

var (
	catalogues = load()
	matcher    = language.NewMatcher([]language.Tag{language.English, language.Russian})
)

// load reads the embedded catalogues. They are part of the program, so a broken
// one is a programming error.
func load() map[Language]catalogue {
	all := make(map[Language]catalogue)
	for _, l := range Languages() {
		text, err := files.ReadFile(string(l) + ".json")
		if err != nil {
			panic(fmt.Sprintf("i18n: %v", err))
		}
		var c catalogue
		if err := json.Unmarshal(text, &c); err != nil {
			panic(fmt.Sprintf("i18n: %s: %v", l, err))
		}
		all[l] = c
	}
	return all
}

// maxHeader bounds the Accept-Language header that is looked at; a person's is shorter.
const maxHeader = 256

// Match chooses the language for an Accept-Language header (RFC 9110 section
// 12.5.4). A header that is absent, too long or cannot be read gives the first language.
func Match(acceptLanguage string) Language {
	if acceptLanguage == "" || len(acceptLanguage) > maxHeader {
		return English
	}
	wanted, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil {
		return English
	}
	_, index, _ := matcher.Match(wanted...)
	return Languages()[index]
}

// Spoken is the language that somebody asks for first, whether or not there is a
// catalogue: its two or three letters, or "" for none.
func Spoken(acceptLanguage string) string {
	if len(acceptLanguage) > maxHeader {
		return ""
	}
	wanted, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil || len(wanted) == 0 {
		return ""
	}
	base, sure := wanted[0].Base()
	if sure != language.Exact || base.String() == "mul" { // "*" is many languages
		return ""
	}
	return base.String()
}

// Error gives the words for an error code. A code without words, which the tests
// do not let pass, gets those of "internal".
func (l Language) Error(code string) string {
	c := l.catalogue()
	if words, ok := c.Errors[code]; ok {
		return words
	}
	return c.Errors["internal"]
}

// Status gives the short name of an HTTP status.
func (l Language) Status(status int) string {
	c := l.catalogue()
	if words, ok := c.Statuses[strconv.Itoa(status)]; ok {
		return words
	}
	return c.Statuses["500"]
}

// Page gives a text of the server's own plain pages. It panics on a key that no
// catalogue has, because keys are constants of the program.
func (l Language) Page(key string) string {
	words, ok := l.catalogue().Pages[key]
	if !ok {
		panic("i18n: no text for " + key)
	}
	return words
}

func (l Language) catalogue() catalogue {
	if c, ok := catalogues[l]; ok {
		return c
	}
	return catalogues[English]
}
