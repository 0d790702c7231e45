package web_test

import "testing"

func TestNobodyGetsAGuestsTokenFromWhereSomebodyWasRemoved(t *testing.T) {
	w := oneWorld(t)
	host, anna, boris := w.member("host"), w.member("anna"), w.member("boris")
	room := host.must(201, "POST", "/rooms", map[string]any{"kind": "open", "guests_allowed": true}).text("id")
	anna.must(200, "PUT", "/rooms/"+room+"/seat", nil)
	w.stranger().must(201, "POST", "/rooms/"+room+"/guests", nil)
	host.must(204, "DELETE", "/rooms/"+room+"/participants/"+anna.id, nil)
	w.stranger().refused(403, "guest_place_barred", "POST", "/rooms/"+room+"/guests", nil)
	boris.must(200, "PUT", "/rooms/"+room+"/seat", nil)
	boris.must(201, "POST", "/rooms/"+room+"/guests", nil)
}
