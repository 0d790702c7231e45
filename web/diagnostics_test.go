package web_test

import "testing"

func TestWhoHearsNothingIsReportedAFewTimes(t *testing.T) {
	w := oneWorld(t)
	host, anna := w.member("host"), w.member("anna")
	room := host.must(201, "POST", "/rooms", map[string]any{"kind": "closed"}).text("id")
	report := map[string]any{"account": host.id, "stats": []any{map[string]any{"type": "inbound-rtp", "packetsReceived": 7}}}
	anna.refused(404, "not_found", "POST", "/rooms/"+room+"/diagnostics", report)
	for range 6 {
		host.must(204, "POST", "/rooms/"+room+"/diagnostics", report)
	}
	host.refused(429, "too_many_requests", "POST", "/rooms/"+room+"/diagnostics", report)
}
