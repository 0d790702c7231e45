package web_test

import "testing"

func TestPassphraseIsChangedBySignedInPeopleOnly(t *testing.T) {
	w := oneWorld(t)
	anna := w.member("anna")
	room := anna.open("open")
	fresh := object{"current": "this is not the passphrase", "password": "nine grey geese above the mill"}
	w.stranger().refused(401, "unauthenticated", "PUT", "/me/password", fresh)
	w.guest(room).refused(403, "guests_only_listen", "PUT", "/me/password", fresh)
	anna.refused(403, "password_wrong", "PUT", "/me/password", fresh)
	fresh["password"] = "short"
	anna.refused(422, "password_too_short", "PUT", "/me/password", fresh)
}
