package besedka_test

import (
	"testing"

	"besedka"
)

func TestFactsAreSeenByThoseTheyAreFor(t *testing.T) {
	anna, boris, guest := besedka.ParticipantID("anna"), besedka.ParticipantID("boris"), besedka.ParticipantID("guest-1")
	for _, c := range []struct {
		name               string
		to                 []besedka.ParticipantID
		anna, boris, guest bool
	}{
		{"everyone", nil, true, true, true},
		{"nobody", []besedka.ParticipantID{}, false, false, false},
		{"some", []besedka.ParticipantID{anna, guest}, true, false, true},
		{"members", []besedka.ParticipantID{besedka.Members}, true, true, false},
		{"all but one", []besedka.ParticipantID{besedka.Except(boris)}, true, false, true},
		{"all but two", []besedka.ParticipantID{besedka.Except(guest), besedka.Except(boris)}, true, false, false},
		{"members but one", []besedka.ParticipantID{besedka.Members, besedka.Except(boris)}, true, false, false},
	} {
		f := besedka.Fact{To: c.to}
		if f.VisibleTo(anna) != c.anna || f.VisibleTo(boris) != c.boris || f.VisibleTo(guest) != c.guest {
			t.Errorf("%s: %v %v %v", c.name, f.VisibleTo(anna), f.VisibleTo(boris), f.VisibleTo(guest))
		}
	}
}
