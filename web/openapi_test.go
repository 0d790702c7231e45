package web_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"besedka/web"
)

func TestOpenAPIIsTheSameEveryTime(t *testing.T) {
	first, err := web.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	second, err := web.OpenAPI()
	if err != nil || !bytes.Equal(first, second) {
		t.Fatalf("two documents of one program differ (%v)", err)
	}
	var doc struct {
		OpenAPI string                                `json:"openapi"`
		Paths   map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(first, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("version %q", doc.OpenAPI)
	}
	for path, method := range map[string]string{
		"/api/v1/rooms/{room}/whep": "post", "/api/v1/rooms/{room}/whip": "post", "/api/v1/events": "get",
		"/api/v1/rooms/{room}/sessions/{session}": "patch", "/api/v1/me": "get", "/api/v1/openapi.json": "get",
	} {
		if doc.Paths[path][method] == nil {
			t.Errorf("%s %s is not described", method, path)
		}
	}
}

func TestOpenAPISaysWhatMayBeNullAndWhichWordsThereAre(t *testing.T) {
	text, err := web.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	type property struct {
		OneOf []json.RawMessage `json:"oneOf"`
		Enum  []string          `json:"enum"`
	}
	var doc struct {
		Components struct {
			Schemas map[string]struct{ Properties map[string]property }
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	schemas := doc.Components.Schemas
	for _, at := range [][2]string{{"RoomMe", "hand"}, {"RoomMe", "stage_invitation"}, {"Me", "nominated_by"}, {"Profile", "nominated_by"}, {"Preview", "nominator"}} {
		if len(schemas[at[0]].Properties[at[1]].OneOf) != 2 {
			t.Errorf("%s.%s may be null, which is not said", at[0], at[1])
		}
	}
	for _, at := range [][2]string{{"RoomView", "kind"}, {"RoomView", "hands"}, {"Participant", "role"}} {
		if len(schemas[at[0]].Properties[at[1]].Enum) < 3 {
			t.Errorf("the words of %s.%s are not told", at[0], at[1])
		}
	}
}
