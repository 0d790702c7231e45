package i18n

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestEveryLanguageHasTheSameKeys(t *testing.T) {
	first := catalogues[Languages()[0]]
	for _, l := range Languages()[1:] {
		c := catalogues[l]
		for part, pair := range map[string][2]map[string]string{
			"statuses": {first.Statuses, c.Statuses},
			"errors":   {first.Errors, c.Errors},
			"pages":    {first.Pages, c.Pages},
		} {
			for i, names := range [2]Language{l, Languages()[0]} {
				for key := range pair[i] {
					if strings.TrimSpace(pair[1-i][key]) == "" {
						t.Errorf("%s: %s lacks %q", part, names, key)
					}
				}
			}
		}
	}
}

// TestEveryErrorCodeHasWordsInEveryLanguage reads the program's source for calls
// of besedka.NewError.
func TestEveryErrorCodeHasWordsInEveryLanguage(t *testing.T) {
	codes := declaredCodes(t)
	if len(codes) < 5 {
		t.Fatalf("only %d codes found: the search is broken", len(codes))
	}
	for code, where := range codes {
		for _, l := range Languages() {
			if catalogues[l].Errors[code] == "" {
				t.Errorf("%s declares %q, which has no words in %s.json", where, code, l)
			}
		}
	}
}

func declaredCodes(t *testing.T) map[string]string {
	t.Helper()
	codes := map[string]string{"internal": "besedka.AsError"}
	set := token.NewFileSet()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "client" || len(d.Name()) > 2 && d.Name()[0] == '.') {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if code, ok := newErrorCode(n); ok {
				codes[code] = set.Position(n.Pos()).String()
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return codes
}

// newErrorCode gives the code of a call NewError(kind, "code"), with or without a package name.
func newErrorCode(n ast.Node) (string, bool) {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) != 2 {
		return "", false
	}
	switch f := call.Fun.(type) {
	case *ast.Ident:
		if f.Name != "NewError" {
			return "", false
		}
	case *ast.SelectorExpr:
		if f.Sel.Name != "NewError" {
			return "", false
		}
	default:
		return "", false
	}
	lit, ok := call.Args[1].(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	code, err := strconv.Unquote(lit.Value)
	return code, err == nil
}

func TestLanguageIsChosenByTheHeader(t *testing.T) {
	for header, want := range map[string]Language{
		"":                         English,
		"ru":                       Russian,
		"ru-RU,ru;q=0.9,en;q=0.8":  Russian,
		"en-GB":                    English,
		"de, ru;q=0.5":             Russian,
		"de":                       English,
		"*":                        English,
		";;;q=":                    English,
		strings.Repeat("ru,", 200): English,
	} {
		if got := Match(header); got != want {
			t.Errorf("%.40q: %s, want %s", header, got, want)
		}
	}
}

func TestUnknownCodeStillHasWords(t *testing.T) {
	if got := Russian.Error("no_such_code"); got != Russian.Error("internal") {
		t.Errorf("got %q", got)
	}
	if got := Language("xx").Status(599); got != English.Status(500) {
		t.Errorf("got %q", got)
	}
}

func TestLanguageAskedForFirstIsKnownAlsoWithoutACatalogue(t *testing.T) {
	for header, want := range map[string]string{
		"": "", "ru": "ru", "de-CH,de;q=0.9,en;q=0.8": "de", "en;q=0.1, tt-RU": "tt", "*": "", "not a language!": "",
		"zh-Hant-TW": "zh", "haw": "haw", strings.Repeat("en,", maxHeader): "",
	} {
		if got := Spoken(header); got != want {
			t.Errorf("%.40q: %q, want %q", header, got, want)
		}
	}
}
