package besedka_test

import (
	"fmt"
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

func TestMembersButSparesTheFirst900(t *testing.T) {
	blockers := make([]besedka.AccountID, 901)
	for i := range blockers {
		blockers[i] = besedka.AccountID(fmt.Sprint("b", i))
	}
	f := besedka.Fact{To: besedka.MembersBut(blockers)}
	for who, want := range map[besedka.ParticipantID]bool{"anna": true, "b0": false, "b899": false, "b900": true, "guest-1": false} {
		if got := f.VisibleTo(who); got != want {
			t.Errorf("told to %s: %v", who, got)
		}
	}
	if nobody := (besedka.Fact{To: besedka.MembersBut(nil)}); !nobody.VisibleTo("b0") || nobody.VisibleTo("guest-1") {
		t.Error("without blockers it is for members")
	}
}
