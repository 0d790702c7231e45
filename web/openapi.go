package web

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"besedka"
	"besedka/ask"
	"besedka/room"
	"besedka/social"
)

// describe writes the OpenAPI document. Maps are written in the order of their
// keys, so the same program writes the same bytes.
func (s *Server) describe() ([]byte, error) {
	schemas := s.api.OpenAPI().Components.Schemas
	for name, schema := range schemas.Map() {
		schema.AdditionalProperties = nil // which JSON Schema takes for true
		if t := schemas.TypeFromRef("#/components/schemas/" + name); t != nil && t.Kind() == reflect.Struct {
			refine(name, schema, t)
		}
	}
	text, err := json.MarshalIndent(s.api.OpenAPI(), "", "  ")
	if err != nil {
		return nil, err
	}
	return append(text, '\n'), nil
}

// words are the texts that a type allows. They are told of what the server
// sends; what it is sent is checked by the capabilities, whose codes say more.
var words = map[reflect.Type][]any{
	reflect.TypeFor[besedka.Role]():     {besedka.RoleHost, besedka.RoleModerator, besedka.RoleSpeaker, besedka.RoleListener},
	reflect.TypeFor[room.Kind]():        {room.KindOpen, room.KindSocial, room.KindClosed},
	reflect.TypeFor[social.Bell]():      {social.BellAlways, social.BellSometimes, social.BellNever},
	reflect.TypeFor[room.Hands]():       {room.HandsEveryone, room.HandsFollowed, room.HandsNew, room.HandsOff},
	reflect.TypeFor[room.Attribution](): {room.OnRecord, room.Background, room.ChathamHouse, room.OffRecord},
	reflect.TypeFor[room.QueueRule](): {room.QueueFirstCome, room.QueueLeastAirtime, room.QueueFirstTimers, room.QueueAlternate,
		room.QueueLot},
	reflect.TypeFor[ask.State]():    {ask.StateOpen, ask.StateAnswering, ask.StateAnswered},
	reflect.TypeFor[besedka.Chat](): {besedka.ChatEveryone, besedka.ChatFollowers, besedka.ChatOff},
}

// refine says of a type's fields what the library does not see: which objects
// may be null, and which texts there are.
func refine(of string, schema *huma.Schema, t reflect.Type) {
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		property := schema.Properties[name]
		if property == nil {
			continue
		}
		if f.Type.Kind() == reflect.Pointer && property.Ref != "" && options == "" {
			schema.Properties[name] = &huma.Schema{OneOf: []*huma.Schema{property, {Type: "null"}}}
		}
		if isInput := strings.HasSuffix(of, "InputBody"); !isInput {
			property.Enum = words[f.Type]
		}
	}
}

func (s *Server) openAPIDocument(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/vnd.oai.openapi+json;version=3.1")
	_, _ = w.Write(s.openAPI) // the reader may be gone; nothing else is to be done
}

func pathParameters(path string) []*huma.Param {
	var list []*huma.Param
	for _, name := range pathNames(path) {
		list = append(list, &huma.Param{Name: name, In: "path", Required: true, Schema: &huma.Schema{Type: "string"}})
	}
	return list
}

func (s *Server) problemResponse() *huma.Response {
	schema := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	return &huma.Response{Description: "Error", Content: map[string]*huma.MediaType{"application/problem+json": {Schema: schema}}}
}

func text(description string) *huma.Schema {
	return &huma.Schema{Type: "string", Description: description}
}

func headers(names map[string]string) map[string]*huma.Param {
	out := make(map[string]*huma.Param)
	for name, description := range names {
		out[name] = &huma.Header{Description: description, Schema: &huma.Schema{Type: "string"}}
	}
	return out
}

func body(contentType, description string) *huma.RequestBody {
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{contentType: {Schema: text(description)}}}
}

func sdpAnswer() map[string]*huma.Response {
	return map[string]*huma.Response{"201": {
		Description: "Created",
		Headers: headers(map[string]string{
			"Location": "The session: DELETE ends it.",
			"ETag":     "The tag of the ICE session, for If-Match.",
			"Link":     "The relay, one for each URL, with rel=ice-server (RFC 9725 section 4.6); absent where there is none.",
		}),
		Content: map[string]*huma.MediaType{typeSDP: {Schema: text("The SDP answer.")}},
	}}
}

func opWHEP() *huma.Operation {
	return &huma.Operation{
		OperationID: "whep", Summary: "Hear the room (WHEP); enters it if need be",
		RequestBody: body(typeSDP, "An SDP offer with one to three audio sections, at most 64 KiB."), Responses: sdpAnswer(),
	}
}

func opTestWHEP() *huma.Operation {
	return &huma.Operation{
		OperationID: "test-whep", Summary: "A media session in a connection test of one's own, in which nothing is heard",
		RequestBody: body(typeSDP, "An SDP offer as for a room."), Responses: sdpAnswer(),
	}
}

func opWHIP() *huma.Operation {
	return &huma.Operation{
		OperationID: "whip", Summary: "Be heard in the room (WHIP, RFC 9725); only on stage",
		RequestBody: body(typeSDP, "An SDP offer with one audio section, at most 64 KiB."), Responses: sdpAnswer(),
	}
}

func opHangUp() *huma.Operation {
	return &huma.Operation{
		OperationID: "hang-up", Summary: "End a media session of one's own",
		Responses: map[string]*huma.Response{"200": {Description: "Ended"}},
	}
}

func opTrickle() *huma.Operation {
	return &huma.Operation{
		OperationID: "trickle", Summary: "Tell ICE candidates, which the server does not need (RFC 8840)",
		Parameters:  []*huma.Param{{Name: "If-Match", In: "header", Required: true, Schema: text("The session's ETag.")}},
		RequestBody: body(typeTrickle, "An SDP fragment."),
		Responses: map[string]*huma.Response{"204": {
			Description: "Taken",
			Headers: map[string]*huma.Param{flowHeader: {
				Description: "How many milliseconds ago the server sent sound to this listener, or heard from this speaker; absent if never.",
				Schema:      &huma.Schema{Type: "integer"},
			}},
		}},
	}
}

func opMediaOptions(of string) func() *huma.Operation {
	return func() *huma.Operation {
		return &huma.Operation{
			OperationID: of + "-options", Summary: "What the endpoint takes; CORS preflight",
			Responses: map[string]*huma.Response{"204": {Description: "See the headers Accept-Post, Accept-Patch and Allow"}},
		}
	}
}

func opEvents() *huma.Operation {
	query := func(name, description string) *huma.Param {
		return &huma.Param{Name: name, In: "query", Description: description, Schema: &huma.Schema{Type: "string"}}
	}
	return &huma.Operation{
		OperationID: "events", Summary: "What happens to me, in the hallway and in one room, as server-sent events",
		Description: "Each event is a JSON object {kind, topic, room?, seq?, at, data}. The first is `hello`. After `reset` facts are missing: " +
			"fetch the state anew. Events with an id are resumed after, without loss or repetition, by Last-Event-ID.",
		Parameters: []*huma.Param{
			query("room", "The room to follow."),
			query("last_event_id", "The same as the header, for clients that cannot set one."),
			{Name: "Last-Event-ID", In: "header", Description: "The id of the last event received.", Schema: &huma.Schema{Type: "string"}},
		},
		Responses: map[string]*huma.Response{"200": {
			Description: "OK", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: text("A stream of events.")}},
		}},
	}
}

func opStream() *huma.Operation {
	return &huma.Operation{
		OperationID: "stream", Summary: "What the room sounds like, for a player that sends no credentials",
		Description: "Ogg Opus (RFC 7845) without an end, one speaker at a time. The ticket is good for 20 seconds and some tries; each try ends the one before, " +
			"and the stream ends with the seat of the one who asked for the ticket.",
		Responses: map[string]*huma.Response{"200": {
			Description: "OK", Content: map[string]*huma.MediaType{typeOgg: {Schema: text("Ogg Opus.")}},
		}},
	}
}

func opOpenAPI() *huma.Operation {
	return &huma.Operation{
		OperationID: "openapi", Summary: "This document",
		Responses: map[string]*huma.Response{"200": {
			Description: "OK", Content: map[string]*huma.MediaType{"application/vnd.oai.openapi+json;version=3.1": {Schema: &huma.Schema{Type: "object"}}},
		}},
	}
}
