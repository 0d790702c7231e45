package besedka_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// rule says what one package may import of ours and what it must never touch,
// however deep: a key of never is an import path, or the beginning of one that ends in "/".
type rule struct {
	ours  []string
	never map[string]string // import path → why
}

const (
	noHTTP    = "it is driven by package web, which alone speaks HTTP"
	noSQL     = "storage belongs to the capabilities"
	noPion    = "media obeys grants; a capability never touches packets"
	noMetrics = "packages expose Stats; only web speaks Prometheus"
	onlyStd   = "the ground stands on the standard library alone"
	sqlInside = "a handler decodes, calls and encodes; SQL lives in capabilities"
)

var capability = rule{
	ours: []string{"besedka", "besedka/db", "besedka/i18n"},
	never: map[string]string{
		"net/http": noHTTP, "github.com/pion/": noPion,
		"github.com/prometheus/": noMetrics, "github.com/danielgtaylor/huma/": noHTTP,
	},
}

// rules hold for the code of a package, not for its tests.
var rules = map[string]rule{
	"besedka": {never: map[string]string{"golang.org/": onlyStd, "github.com/": onlyStd, "net/http": onlyStd, "database/sql": onlyStd}},
	"besedka/db": {
		ours:  []string{"besedka"},
		never: map[string]string{"net/http": noHTTP, "github.com/prometheus/": noMetrics},
	},
	"besedka/db/dbtest": {ours: []string{"besedka", "besedka/db"}},
	"besedka/i18n":      {ours: []string{"besedka"}, never: map[string]string{"database/sql": noSQL}},
	"besedka/account":   {ours: append([]string{"besedka/blob", "besedka/picture"}, capability.ours...), never: capability.never},
	"besedka/social":    capability,
	"besedka/room":      capability,
	"besedka/chat":      capability,
	"besedka/ask":       capability,
	"besedka/blob":      {ours: []string{"besedka"}, never: map[string]string{"net/http": noHTTP, "database/sql": noSQL}},
	"besedka/card":      {never: map[string]string{"net/http": noHTTP, "database/sql": noSQL}},
	"besedka/picture":   {ours: []string{"besedka"}, never: map[string]string{"net/http": noHTTP, "database/sql": noSQL, "os": "pictures are bytes in, bytes out"}},
	"besedka/fanout": {
		never: map[string]string{"net/http": noHTTP, "database/sql": noSQL, "github.com/prometheus/": noMetrics,
			"github.com/pion/webrtc/": "the packet path is our own", "github.com/pion/ice/": "the packet path is our own"},
	},
	"besedka/ogg": {never: map[string]string{"net/http": noHTTP, "database/sql": noSQL, "github.com/": "packets in, pages out"}},
	"besedka/media": {
		ours:  []string{"besedka", "besedka/fanout", "besedka/ogg"},
		never: map[string]string{"net/http": noHTTP, "database/sql": noSQL, "github.com/prometheus/": noMetrics},
	},
	"besedka/turn": {
		ours:  []string{"besedka"},
		never: map[string]string{"net/http": noHTTP, "database/sql": noSQL, "github.com/prometheus/": noMetrics},
	},
	"besedka/outbound": {
		ours:  []string{"besedka"},
		never: map[string]string{"database/sql": noSQL, "github.com/pion/": noPion, "github.com/prometheus/": noMetrics},
	},
	"besedka/doctor": {never: map[string]string{"database/sql": "it looks from outside; cmd looks inside"}},
	"besedka/door":   {never: map[string]string{"database/sql": noSQL, "github.com/pion/": "it tells connections apart and serves none"}},
	"besedka/live": {
		ours:  []string{"besedka"},
		never: map[string]string{"net/http": noHTTP, "database/sql": noSQL, "github.com/prometheus/": noMetrics},
	},
	"besedka/web": {
		ours:  []string{"besedka", "besedka/i18n", "besedka/account", "besedka/blob", "besedka/picture", "besedka/social", "besedka/card", "besedka/room", "besedka/chat", "besedka/outbound", "besedka/ask", "besedka/media", "besedka/turn", "besedka/live"},
		never: map[string]string{"database/sql": sqlInside, "github.com/pion/": noPion},
	},
	"besedka/load": {
		ours:  []string{"besedka"},
		never: map[string]string{"database/sql": "the load generator sees the server from outside only"},
	},
	"besedka/cmd/besedka": {
		ours: []string{"besedka", "besedka/blob", "besedka/picture", "besedka/db", "besedka/i18n", "besedka/account", "besedka/social", "besedka/room", "besedka/chat", "besedka/ask",
			"besedka/fanout", "besedka/media", "besedka/turn", "besedka/door", "besedka/doctor", "besedka/live", "besedka/web", "besedka/load",
			"besedka/outbound"},
	},
	"besedka/bench": {}, "besedka/bench/crowd": {}, "besedka/bench/run": {ours: []string{"besedka/bench", "besedka/load"}},
	"besedka/bench/pion": {}, "besedka/test/relay": {}, "besedka/test/relay/run": {ours: []string{"besedka/test/relay"}},
	"besedka/test": {ours: []string{"besedka", "besedka/load"}},
}

// direct lists the packages whose rule speaks of their own import lines, because
// a library they may use imports the forbidden thing itself.
var direct = map[string]bool{"besedka/web": true, "besedka/media": true, "besedka/fanout": true, "besedka/db": true,
	"besedka/account": true, "besedka/picture": true, "besedka/social": true, "besedka/room": true, "besedka/chat": true, "besedka/ask": true, "besedka/db/dbtest": true}

type goPackage struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
	Deps       []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports,Deps", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p goPackage
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func touches(path, forbidden string) bool {
	return path == forbidden || strings.HasSuffix(forbidden, "/") && strings.HasPrefix(path+"/", forbidden)
}

func TestImportsObeyTheRules(t *testing.T) {
	for _, p := range packages(t) {
		r, known := rules[p.ImportPath]
		if !known {
			t.Errorf("%s has no import rule: give it one in arch_test.go", p.ImportPath)
			continue
		}
		allowed := map[string]bool{}
		for _, o := range r.ours {
			allowed[o] = true
		}
		for _, i := range p.Imports {
			if (i == "besedka" || strings.HasPrefix(i, "besedka/")) && !allowed[i] {
				t.Errorf("%s must not import %s", p.ImportPath, i)
			}
		}
		seen := p.Deps
		if direct[p.ImportPath] {
			seen = p.Imports
		}
		for _, d := range seen {
			for bad, why := range r.never {
				if touches(d, bad) {
					t.Errorf("%s must not touch %s: %s", p.ImportPath, d, why)
				}
			}
		}
	}
}

// callsOut are the packages that may make requests: the guarded client, and what
// an operator runs beside the server to look at it from outside.
var callsOut = map[string]bool{"outbound": true, "doctor": true, "load": true, "cmd/besedka": true, "bench": true, "test": true}

// TestOnlyTheGuardedClientCallsOut looks for HTTP clients and connections: the
// server calls nobody but through package outbound.
func TestOnlyTheGuardedClientCallsOut(t *testing.T) {
	caller := map[string]bool{"http.Client": true, "http.Transport": true, "http.DefaultClient": true, "http.DefaultTransport": true, "http.Get": true,
		"http.Head": true, "http.Post": true, "http.PostForm": true, "net.Dialer": true, "net.Dial": true, "net.DialTimeout": true, "tls.Dial": true,
		"smtp.SendMail": true, "smtp.Dial": true}
	found := 0
	parsed(t, func(path string, f *ast.File, set *token.FileSet) {
		dir := filepath.ToSlash(filepath.Dir(path))
		top, _, _ := strings.Cut(dir, "/")
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			of, ok := sel.X.(*ast.Ident)
			if !ok || !caller[of.Name+"."+sel.Sel.Name] {
				return true
			}
			if found++; !callsOut[dir] && !callsOut[top] {
				t.Errorf("%s: %s.%s: only package outbound calls others", set.Position(n.Pos()), of.Name, sel.Sel.Name)
			}
			return true
		})
	})
	if found == 0 {
		t.Error("not even the guarded client is found: the search is broken")
	}
}

// Budget of the tree. Tables of tests are excepted; code is not.
const (
	maxFileLines     = 800
	maxFunctionLines = 80
	maxGroundLines   = 800
)

// parsed gives every Go file of ours that is not a test.
func parsed(t *testing.T, visit func(path string, f *ast.File, set *token.FileSet)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && path != ".") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		visit(path, f, set)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTreeStaysInItsBudget(t *testing.T) {
	ground := 0
	parsed(t, func(path string, f *ast.File, set *token.FileSet) {
		lines := set.File(f.Pos()).LineCount()
		if lines > maxFileLines {
			t.Errorf("%s has %d lines, more than %d", path, lines, maxFileLines)
		}
		if filepath.Dir(path) == "." {
			ground += lines
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := set.Position(fn.End()).Line - set.Position(fn.Pos()).Line + 1; n > maxFunctionLines {
				t.Errorf("%s: %s has %d lines, more than %d", path, fn.Name.Name, n, maxFunctionLines)
			}
		}
	})
	if ground > maxGroundLines {
		t.Errorf("the ground has %d lines, more than %d", ground, maxGroundLines)
	}
}

func TestEverythingExportedIsDocumented(t *testing.T) {
	packageDoc := map[string]bool{}
	parsed(t, func(path string, f *ast.File, set *token.FileSet) {
		dir := filepath.Dir(path)
		packageDoc[dir] = packageDoc[dir] || f.Doc != nil
		for _, d := range f.Decls {
			for _, name := range undocumented(d) {
				t.Errorf("%s: %s has no doc comment", set.Position(d.Pos()), name)
			}
		}
	})
	for dir, has := range packageDoc {
		if !has {
			t.Errorf("package in %s has no doc comment", dir)
		}
	}
}

// undocumented names what a declaration exports without a comment.
func undocumented(d ast.Decl) []string {
	var names []string
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && d.Doc == nil && s.Doc == nil {
					names = append(names, s.Name.Name)
				}
			case *ast.ValueSpec:
				if s.Names[0].IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
					names = append(names, s.Names[0].Name)
				}
			}
		}
	}
	return names
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if p, ok := typ.(*ast.StarExpr); ok {
		typ = p.X
	}
	if g, ok := typ.(*ast.IndexExpr); ok {
		typ = g.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}

func TestDocumentsLinkToWhatExists(t *testing.T) {
	docs, _ := filepath.Glob("docs/*.md")
	for _, doc := range append([]string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"}, docs...) {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, part := range strings.Split(string(text), "](")[1:] {
			link, _, _ := strings.Cut(part, ")")
			link, _, _ = strings.Cut(link, "#")
			if link == "" || strings.Contains(link, "://") || strings.HasPrefix(link, "mailto:") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(doc), link)); err != nil {
				t.Errorf("%s links to %s, which is not there", doc, link)
			}
		}
	}
}
