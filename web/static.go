package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"

	"besedka"
	"besedka/i18n"
)

// The web client, built by `make client`. The folder is always there, but
// without index.html where the client was not built.
//
//go:embed all:client/dist
var clientFiles embed.FS

// client serves the web client out of memory. Every path that is not a file of
// its own is one of the client's pages and gets index.html.
type client struct {
	files map[string]*clientFile // by path below the root, without those of other encodings
}

// clientFile is one file, with the encodings that the build made beside it.
type clientFile struct {
	kind      string // Content-Type
	etag      string
	immutable bool // its name has a hash of its content
	plain     []byte
	encoded   map[string][]byte // by content coding
}

const indexFile = "index.html"

// encodings are the content codings that the build makes, the best first, with the ending of their files.
var encodings = []struct{ coding, ending string }{{"br", ".br"}, {"gzip", ".gz"}}

// kinds are the types of the client's files; the machine's own table may lack or bend them.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".json": "application/json", ".webmanifest": "application/manifest+json", ".svg": "image/svg+xml", ".png": "image/png",
	".ico": "image/x-icon", ".woff2": "font/woff2", ".webp": "image/webp", ".txt": "text/plain; charset=utf-8", ".mp3": "audio/mpeg", ".wav": "audio/wav",
}

// newClient reads the client's files out of dir. Without index.html the client was not built.
func newClient(dir fs.FS) (*client, error) {
	c := &client{files: make(map[string]*clientFile)}
	err := fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path.Base(name), ".") || isEncoded(name) {
			return err
		}
		f, err := readClientFile(dir, name)
		c.files[name] = f
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the web client: %w", err)
	}
	return c, nil
}

func isEncoded(name string) bool {
	for _, e := range encodings {
		if strings.HasSuffix(name, e.ending) {
			return true
		}
	}
	return false
}

func readClientFile(dir fs.FS, name string) (*clientFile, error) {
	content, err := fs.ReadFile(dir, name)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	f := &clientFile{
		kind: kinds[path.Ext(name)], etag: `"` + hex.EncodeToString(sum[:12]) + `"`,
		immutable: strings.HasPrefix(name, "assets/"), plain: content, encoded: make(map[string][]byte),
	}
	if f.kind == "" {
		f.kind = mime.TypeByExtension(path.Ext(name))
	}
	if f.kind == "" {
		f.kind = "application/octet-stream"
	}
	for _, e := range encodings {
		if b, err := fs.ReadFile(dir, name+e.ending); err == nil {
			f.encoded[e.coding] = b
		}
	}
	return f, nil
}

// clientPage answers for everything outside the API.
func (s *Server) clientPage(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		s.fail(w, r, errMethod)
		return
	}
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	f := s.client.files[name]
	switch {
	case f != nil && name != indexFile:
	case strings.HasPrefix(name, "assets/") || path.Ext(name) != "" && name != indexFile:
		s.fail(w, r, besedka.ErrNotFound) // a file of another build, not a page
		return
	default:
		f = s.client.files[indexFile]
	}
	if f == nil {
		s.clientMissing(w, r)
		return
	}
	if id := sharedRoom(name); id != "" {
		s.sharePage(w, r, id, f)
		return
	}
	f.serve(w, r)
}

// serve sends the file in the best coding that is accepted, or says that the caller has it.
func (f *clientFile) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("ETag", f.etag)
	h.Set("Cache-Control", "no-cache")
	if f.immutable {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if len(f.encoded) > 0 {
		h.Set("Vary", "Accept-Encoding")
	}
	if matchesETag(r.Header.Get("If-None-Match"), f.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := f.plain
	for _, e := range encodings {
		if b, ok := f.encoded[e.coding]; ok && accepts(r.Header.Get("Accept-Encoding"), e.coding) {
			h.Set("Content-Encoding", e.coding)
			body = b
			break
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the reader may be gone; nothing else is to be done
	}
}

// matchesETag says whether If-None-Match names the tag (RFC 9110 section 13.1.2: compared weakly).
func matchesETag(header, etag string) bool {
	for tag := range strings.SplitSeq(header, ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == etag || tag == "*" {
			return true
		}
	}
	return false
}

// accepts says whether Accept-Encoding names the coding, and not with weight 0 (RFC 9110 section 12.5.3).
func accepts(header, coding string) bool {
	for one := range strings.SplitSeq(header, ",") {
		name, weight, _ := strings.Cut(one, ";")
		if strings.EqualFold(strings.TrimSpace(name), coding) {
			q, ok := strings.CutPrefix(strings.ReplaceAll(weight, " ", ""), "q=")
			return !ok || strings.Trim(q, "0.") != ""
		}
	}
	return false
}

// clientMissing is the page of a program that was built without its client.
func (s *Server) clientMissing(w http.ResponseWriter, r *http.Request) {
	lang := i18n.Match(r.Header.Get("Accept-Language"))
	title, text := html.EscapeString(lang.Page("client_missing_title")), html.EscapeString(lang.Page("client_missing_text"))
	h := w.Header()
	h.Set("Content-Type", kinds[".html"])
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept-Language")
	if r.Method == http.MethodHead {
		return
	}
	fmt.Fprintf(w, "<!doctype html>\n<html lang=\"%s\"><meta charset=\"utf-8\"><title>%s</title><h1>%s</h1><p>%s</p></html>\n", lang, title, title, text)
}
