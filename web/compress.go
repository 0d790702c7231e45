package web

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"
	"sync"
)

// largeAnswers are the routes whose answers are compressed: thousands ask for them,
// again and again, and none of them holds a secret whose length could betray it.
var largeAnswers = map[string]bool{
	"GET " + apiBase + "/hallway":             true,
	"GET " + apiBase + "/rooms/{room}":        true,
	"GET " + apiBase + "/rooms/{room}/people": true,
}

const compressFrom = 2 << 10 // bytes; shorter answers fit into two packets anyway

var (
	squeezers = sync.Pool{New: func() any {
		z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is one
		return z
	}}
	buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}
)

// compressed gathers what h answers and sends it in gzip to who accepts it.
func compressed(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Accept-Encoding")
		if !accepts(r.Header.Get("Accept-Encoding"), "gzip") {
			h(w, r)
			return
		}
		g := gathered{ResponseWriter: w, body: take(&buffers), status: http.StatusOK}
		defer buffers.Put(g.body)
		h(&g, r)
		g.send()
	}
}

func take(pool *sync.Pool) *bytes.Buffer {
	b := pool.Get().(*bytes.Buffer)
	b.Reset()
	return b
}

// gathered is an answer that is held until it is whole.
type gathered struct {
	http.ResponseWriter
	status int
	body   *bytes.Buffer
}

// WriteHeader keeps the status.
func (g *gathered) WriteHeader(status int) { g.status = status }

// Write keeps the text.
func (g *gathered) Write(text []byte) (int, error) { return g.body.Write(text) }

// send sends the answer, in gzip if that is worth it.
func (g *gathered) send() {
	body := g.body
	if body.Len() >= compressFrom {
		body = take(&buffers)
		defer buffers.Put(body)
		z := squeezers.Get().(*gzip.Writer)
		defer squeezers.Put(z)
		z.Reset(body)
		_, _ = z.Write(g.body.Bytes()) // into memory: cannot fail
		_ = z.Close()
		g.Header().Set("Content-Encoding", "gzip")
	}
	g.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	g.ResponseWriter.WriteHeader(g.status)
	_, _ = g.ResponseWriter.Write(body.Bytes()) // the reader may be gone; nothing else is to be done
}
