package web_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"strings"
	"testing"
)

func TestALargeRoomIsSentCompressed(t *testing.T) {
	w := oneWorld(t)
	anna := w.member("anna")
	id := anna.open("open")
	for _, name := range []string{"boris", "vera", "gleb", "dina", "egor", "zoya", "ivan", "klim"} {
		w.member(name).must(200, "PUT", "/rooms/"+id+"/seat", nil)
	}
	plain := anna.with("Accept-Encoding", "identity").must(200, "GET", "/rooms/"+id, nil)
	if plain.header.Get("Content-Encoding") != "" || !strings.Contains(strings.Join(plain.header.Values("Vary"), ","), "Accept-Encoding") {
		t.Errorf("headers %v", plain.header)
	}
	small := anna.with("Accept-Encoding", "gzip").must(200, "GET", "/rooms/"+id, nil)
	if small.header.Get("Content-Encoding") != "gzip" || len(small.body) > len(plain.body)/2 {
		t.Fatalf("%d bytes of %d: %v", len(small.body), len(plain.body), small.header)
	}
	z, err := gzip.NewReader(strings.NewReader(string(small.body)))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil || !json.Valid(text) {
		t.Errorf("%v: %s", err, text)
	}
	anna.with("Accept-Encoding", "gzip").refused(404, "not_found", "GET", "/rooms/elsewhere", nil)
}

func TestPeopleOfARoomAreFoundByName(t *testing.T) {
	w := oneWorld(t)
	anna := w.member("anna")
	id := anna.open("open")
	w.member("semyon").must(200, "PUT", "/rooms/"+id+"/seat", nil)
	found := anna.must(200, "GET", "/rooms/"+id+"/people?q=SEM", nil).json()["people"].([]any)
	if len(found) != 1 || found[0].(object)["username"] != "semyon" {
		t.Errorf("found %v", found)
	}
	anna.refused(422, "query_invalid", "GET", "/rooms/"+id+"/people?after=x", nil)
	anna.refused(422, "query_invalid", "GET", "/rooms/"+id+"/people?q="+strings.Repeat("x", 61), nil)
	w.guest(id).refused(403, "guests_only_listen", "GET", "/rooms/"+id+"/people", nil)
	for range 30 {
		anna.ask("GET", "/rooms/"+id+"/people?q=x", nil)
	}
	anna.refused(429, "too_many_requests", "GET", "/rooms/"+id+"/people?q=x", nil)
}
