package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"besedka"
	"besedka/turn"
	"besedka/web"
)

// relay gives credentials that say whose they are.
type relay struct{}

func (relay) Credentials(r besedka.RoomID, who besedka.ParticipantID, with besedka.CredentialID) (turn.Credentials, error) {
	return turn.Credentials{Username: string(who), Password: string(r) + "-" + string(with), Expires: time.Now().Add(turn.CredentialLife)}, nil
}

func (relay) Grant(besedka.RoomID, besedka.ParticipantID) {}
func (relay) EndRoom(besedka.RoomID)                      {}

func (relay) Stats() turn.Stats { return turn.Stats{Allocations: 3} }

func withRelay(d *web.Deps, _ *http.Server) {
	d.Relay, d.RelayURLs = relay{}, []string{"turns:talk.example.org:443?transport=tcp", "turn:talk.example.org:3478?transport=tcp"}
}

func TestOnlyWhoHasASeatGetsTheRelay(t *testing.T) {
	w := oneWorld(t, withRelay)
	anna, boris := w.member("anna"), w.member("boris")
	room := anna.open("open")
	path := "/rooms/" + room + "/ice-servers"
	servers := anna.must(200, "GET", path, nil).json()["ice_servers"].([]any)
	first := servers[0].(object)
	if len(servers) != 1 || len(first["urls"].([]any)) != 2 || first["username"] != anna.id || !strings.HasPrefix(first["credential"].(string), room) {
		t.Errorf("%v", servers)
	}
	if until, err := time.Parse(time.RFC3339, anna.must(200, "GET", path, nil).text("expires_at")); err != nil || time.Until(until) > turn.CredentialLife {
		t.Errorf("%v %v", until, err)
	}
	w.stranger().refused(401, "unauthenticated", "GET", path, nil)
	boris.refused(409, "not_in_room", "GET", path, nil)
	w.signIn("anna").refused(409, "not_in_room", "GET", path, nil) // another device than the one that holds the seat
	guest := w.guest(room)
	guest.refused(409, "not_in_room", "GET", path, nil)
	guest.must(200, "PUT", "/rooms/"+room+"/seat", nil)
	guest.must(200, "GET", path, nil)
	closed := anna.open("closed")
	boris.refused(404, "not_found", "GET", "/rooms/"+closed+"/ice-servers", nil)
	if !strings.Contains(metricsOf(t, w), "besedka_turn_allocations 3") {
		t.Error("no metrics of the relay")
	}
}

func TestPlayersAreToldOfTheRelayByLink(t *testing.T) {
	w := oneWorld(t, withRelay)
	anna, boris := w.member("anna"), w.member("boris")
	room := anna.open("open")
	whep, whip := "/rooms/"+room+"/whep", "/rooms/"+room+"/whip"
	links := func(a answer) []string { return a.header.Values("Link") }
	for name, a := range map[string]answer{
		"a stranger": w.stranger().must(204, "OPTIONS", whep, nil),
		"a preflight": w.stranger().with("Access-Control-Request-Method", "POST").with("Origin", "https://player.example").
			must(204, "OPTIONS", whip, nil),
		"without a seat":     w.stranger().ask("POST", whep, raw{"application/sdp", offer(t, receives)}),
		"a session's itself": anna.must(204, "OPTIONS", "/rooms/"+room+"/sessions/abc", nil),
	} {
		if got := links(a); len(got) != 0 {
			t.Errorf("%s was told: %v", name, got)
		}
	}
	for name, a := range map[string]answer{
		"OPTIONS of who has a seat": anna.must(204, "OPTIONS", whep, nil),
		"OPTIONS of a speaker":      anna.must(204, "OPTIONS", whip, nil),
		"a listener":                boris.must(201, "POST", whep, raw{"application/sdp", offer(t, receives)}),
		"a speaker":                 anna.must(201, "POST", whip, raw{"application/sdp", offer(t, sends)}),
	} {
		got := links(a)
		if len(got) != 2 || !strings.HasPrefix(got[0], `<turns:talk.example.org:443?transport=tcp>; rel="ice-server"; username="`) ||
			!strings.HasSuffix(got[0], `"; credential-type="password"`) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestWithoutARelayThereAreNoICEServers(t *testing.T) {
	w := oneWorld(t)
	anna := w.member("anna")
	room := anna.open("open")
	if servers := anna.must(200, "GET", "/rooms/"+room+"/ice-servers", nil).json()["ice_servers"].([]any); len(servers) != 0 {
		t.Errorf("%v", servers)
	}
	if got := anna.must(201, "POST", "/rooms/"+room+"/whep", raw{"application/sdp", offer(t, receives)}).header.Values("Link"); len(got) != 0 {
		t.Errorf("%v", got)
	}
}
