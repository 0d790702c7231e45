package room

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"besedka"
)

// hosted is a room with a host, a speaker (anna) and a listener (boris), connected.
func (w *world) hosted() besedka.RoomID {
	w.t.Helper()
	room := w.open("host", KindOpen)
	w.enter(room, "anna", "boris")
	w.stay(room, "host", "anna", "boris")
	return room
}

// told are the kinds of the room's facts from number on.
func (w *world) told(room besedka.RoomID, from int) []string { return kinds(w.facts(room)[from:]) }

func TestPinIsShownAndItsPageLookedAtAfterwards(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.hosted()
		before := len(w.facts(room))
		if err := w.service.SetPin(ctx, room, actor("host"), "https://Example.org:443/tea?a=1&b=2#top"); err != nil {
			t.Fatal(err)
		}
		pin := w.view(room, "boris").Pin
		if pin == nil || pin.URL != "https://example.org:443/tea?a=1&b=2#top" || pin.Domain != "example.org" || pin.Title != "" || pin.By.Name != "HOST" {
			t.Fatalf("pin %+v", pin)
		}
		looked := make(chan string)
		running, stop := context.WithCancel(ctx)
		var done sync.WaitGroup
		done.Go(func() {
			_ = w.service.Preview(running, func(_ context.Context, url string) (string, error) {
				looked <- url
				return "Tea and talk", nil
			})
		})
		defer func() { stop(); done.Wait() }()
		if url := <-looked; url != pin.URL {
			t.Errorf("looked at %s", url)
		}
		stop()
		done.Wait()
		if got := w.told(room, before); !slices.Equal(got, []string{"pinned", "pin_previewed"}) {
			t.Errorf("told %v", got)
		}
		w.start()
		if pin := w.view(room, "boris").Pin; pin == nil || pin.Title != "Tea and talk" {
			t.Errorf("after a restart: %+v", pin)
		}
	})
}

func TestPinsAreForModeratorsAndKeptInOrder(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.hosted()
		for _, account := range []besedka.AccountID{"anna", "boris"} {
			wantCode(t, "a pin", w.service.SetPin(ctx, room, actor(account), "https://example.org/"), ErrModeratorsOnly)
			wantCode(t, "an unpin", w.service.Unpin(ctx, room, actor(account)), ErrModeratorsOnly)
		}
		host := actor("host")
		pin := func(link string) error { return w.service.SetPin(ctx, room, host, link) }
		if err := errors.Join(w.service.Unpin(ctx, room, host), pin("http://one.example/")); err != nil {
			t.Fatal(err)
		}
		facts := len(w.facts(room))
		if err := pin("http://one.example/"); err != nil || len(w.facts(room)) != facts {
			t.Errorf("the same again: %v", err)
		}
		wantCode(t, "another at once", pin("http://two.example/"), besedka.ErrTooMany)
		w.clock.Advance(pinEvery)
		if err := pin("http://two.example/"); err != nil {
			t.Fatal(err)
		}
		w.clock.Advance(pinEvery)
		if err := w.service.Unpin(ctx, room, host); err != nil {
			t.Fatal(err)
		}
		pins, err := w.service.Pins(ctx, room, actor("boris"))
		if err != nil || len(pins) != 2 || pins[0].Domain != "two.example" || pins[1].Domain != "one.example" {
			t.Fatalf("pins %+v %v", pins, err)
		}
		if pins[0].Until == nil || pins[0].Until.Sub(pins[0].At) != pinEvery || pins[1].Until == nil || !pins[1].Until.Equal(pins[0].At) || pins[1].By.Name != "HOST" {
			t.Errorf("pins %+v", pins)
		}
		if w.view(room, "boris").Pin != nil {
			t.Error("a link is still pinned")
		}
		_, err = w.service.Pins(ctx, room, Actor{Who: "guest-1", GuestOf: "elsewhere"})
		wantCode(t, "a stranger", err, besedka.ErrNotFound)
		if err := w.service.End(ctx, room, host); err != nil {
			t.Fatal(err)
		}
		wantCode(t, "a pin after the end", pin("http://three.example/"), ErrEnded)
	})
}

func TestPreviewOfAFormerPinIsNotTold(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.hosted()
		if err := w.service.SetPin(ctx, room, actor("host"), "http://one.example/"); err != nil {
			t.Fatal(err)
		}
		w.clock.Advance(pinEvery)
		if err := w.service.SetPin(ctx, room, actor("host"), "http://two.example/"); err != nil {
			t.Fatal(err)
		}
		one, two := <-w.service.previews, <-w.service.previews
		before := len(w.facts(room))
		if err := w.service.previewed(ctx, one, "One"); err != nil || len(w.facts(room)) != before {
			t.Errorf("%v", err)
		}
		if err := w.service.previewed(ctx, two, "evil\u202etitle"); err != nil || len(w.facts(room)) != before {
			t.Errorf("%v", err)
		}
		if err := errors.Join(w.service.previewed(ctx, two, "Two"), w.service.previewed(ctx, two, "Two")); err != nil || w.view(room, "anna").Pin.Title != "Two" {
			t.Errorf("%v", err)
		}
		if got := w.told(room, before); !slices.Equal(got, []string{"pin_previewed"}) {
			t.Errorf("told %v", got)
		}
	})
}

func TestLinksThatPeopleMayBeSentTo(t *testing.T) {
	for in, want := range map[string][2]string{
		"http://example.org":                 {"http://example.org", "example.org"},
		" HTTPS://EXAMPLE.org./a b?q=чай#x ": {"https://example.org/a%20b?q=чай#x", "example.org"},
		"https://пример.рф/чай":              {"https://xn--e1afmkfd.xn--p1ai/%D1%87%D0%B0%D0%B9", "пример.рф"},
		"https://www.пример.рф/":             {"https://www.xn--e1afmkfd.xn--p1ai/", "www.пример.рф"},
		"https://xn--e1afmkfd.xn--p1ai":      {"https://xn--e1afmkfd.xn--p1ai", "пример.рф"},
		"https://аррӏе.com/":                 {"https://xn--80ak6aa92e.com/", "xn--80ak6aa92e.com"},
		"https://bücher.example/":            {"https://xn--bcher-kva.example/", "xn--bcher-kva.example"},
		"http://[2606:2800:220:1::1]:8080/x": {"http://[2606:2800:220:1::1]:8080/x", "2606:2800:220:1::1"},
		"http://93.184.216.34/":              {"http://93.184.216.34/", "93.184.216.34"},
		"javascript:alert(1)":                {},
		"data:text/html,x":                   {},
		"ftp://example.org/":                 {},
		"example.org":                        {},
		"//example.org/":                     {},
		"https://":                           {},
		"https:///path":                      {},
		"https://user@example.org/":          {},
		"https://example.org@evil.example/":  {},
		"https://exa mple.org/":              {},
		"https://example.org/\u202egnp.exe":  {},
		"https://example.org/\n":             {"https://example.org/", "example.org"},
		"https://example.org/a\nb":           {},
		"https://[fe80::1%25eth0]/":          {},
		"https:example.org":                  {},
		"":                                   {},
		"https://example.org/" + strings.Repeat("я", MaxLink): {},
		"https://example.org/" + strings.Repeat("x", MaxLink): {},
	} {
		clean, domain, err := cleanLink(in)
		if clean != want[0] || domain != want[1] || (err == nil) != (want[0] != "") {
			t.Errorf("%.60q: %q %q %v", in, clean, domain, err)
		}
	}
}

func TestAgendaMarksWhatIsTalkedAbout(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room, host := w.hosted(), actor("host")
		set := func(text string) error { return w.service.SetAgenda(ctx, room, host, text) }
		move := func(item int, text string) error { return w.service.MoveAgenda(ctx, room, host, &item, text) }
		if err := set("# Tonight\r\n\r\n- [ ] Tea\n* Cups\n  1. Saucers\n1) Sugar\nno item\n-none\n"); err != nil {
			t.Fatal(err)
		}
		texts := func() (list []string) {
			for _, item := range w.view(room, "boris").Agenda.Items {
				list = append(list, item.Text)
			}
			return list
		}
		if got := texts(); !slices.Equal(got, []string{"Tea", "Cups", "Saucers", "Sugar"}) {
			t.Fatalf("items %v", got)
		}
		wantCode(t, "an item that is not", move(4, ""), ErrAgendaItem)
		wantCode(t, "an item before the first", move(-1, ""), ErrAgendaItem)
		wantCode(t, "an item of another agenda", move(1, "Biscuits"), ErrAgendaChanged)
		wantCode(t, "an item of a longer one", move(9, "Biscuits"), ErrAgendaChanged)
		if err := move(1, "Cups"); err != nil {
			t.Fatal(err)
		}
		began := *w.view(room, "boris").Agenda.Items[1].StartedAt
		before := len(w.facts(room))
		w.clock.Advance(time.Minute)
		if err := errors.Join(move(1, ""), move(0, ""), move(1, "")); err != nil {
			t.Fatal(err)
		}
		if got := w.told(room, before); !slices.Equal(got, []string{"agenda_moved", "agenda_moved"}) {
			t.Errorf("told %v", got)
		}
		if at := w.view(room, "boris").Agenda.Items[1].StartedAt; !at.Equal(began) {
			t.Errorf("began %s, then %s", began, at)
		}
		if err := set("- Biscuits\n- Cups\n- Cups"); err != nil {
			t.Fatal(err)
		}
		w.start()
		a := w.view(room, "boris").Agenda
		if a.Now == nil || *a.Now != 1 || a.Items[0].StartedAt != nil || a.Items[1].StartedAt == nil || !a.Items[1].StartedAt.Equal(began) || a.Items[2].StartedAt != nil {
			t.Errorf("after a change and a restart: %+v", a)
		}
		if err := w.service.MoveAgenda(ctx, room, host, nil, ""); err != nil || w.view(room, "boris").Agenda.Now != nil {
			t.Errorf("the mark stays: %v", err)
		}
		if err := set("  "); err != nil || w.view(room, "boris").Agenda != nil {
			t.Errorf("the agenda stays: %v", err)
		}
	})
}

func TestAgendaIsBoundedAndForModerators(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.hosted()
		wantCode(t, "by a speaker", w.service.SetAgenda(ctx, room, actor("anna"), "- Tea"), ErrModeratorsOnly)
		wantCode(t, "moved by a speaker", w.service.MoveAgenda(ctx, room, actor("anna"), nil, ""), ErrModeratorsOnly)
		wantCode(t, "a long one", w.service.SetAgenda(ctx, room, actor("host"), strings.Repeat("я", MaxAgenda+1)), ErrAgendaInvalid)
		wantCode(t, "a bell", w.service.SetAgenda(ctx, room, actor("host"), "- tea\a"), ErrAgendaInvalid)
		// The longest that JSON makes of so many characters is still a fact.
		if err := w.service.SetAgenda(ctx, room, actor("host"), strings.Repeat("- <<<<<<<<\n", MaxAgenda/11)); err != nil {
			t.Error(err)
		}
		if n := len(w.view(room, "boris").Agenda.Items); n != maxAgendaItems {
			t.Errorf("%d items", n)
		}
	})
}

func TestChatAndQuestionsAreSetByModerators(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.hosted()
		if v := w.view(room, "boris"); v.Chat != (besedka.ChatSetting{Mode: besedka.ChatEveryone}) || v.Questions != (besedka.QuestionSetting{On: true}) {
			t.Errorf("a room begins with %+v %+v", v.Chat, v.Questions)
		}
		mode, slow, yes, no := besedka.ChatFollowers, 10, true, false
		wrong, long := besedka.Chat("some"), MaxSlow+1
		set := func(by besedka.AccountID, m *besedka.Chat, s *int) error {
			return w.service.SetChat(ctx, room, actor(by), m, s)
		}
		wantCode(t, "by a speaker", set("anna", &mode, nil), ErrModeratorsOnly)
		wantCode(t, "a mode that is not", set("host", &wrong, nil), ErrChatInvalid)
		wantCode(t, "too slow", set("host", nil, &long), ErrChatInvalid)
		wantCode(t, "questions by a speaker", w.service.SetQuestions(ctx, room, actor("anna"), &no, nil), ErrModeratorsOnly)
		before := len(w.facts(room))
		err := errors.Join(set("host", &mode, nil), set("host", nil, &slow), set("host", &mode, &slow), set("host", nil, nil),
			w.service.SetQuestions(ctx, room, actor("host"), &no, &yes), w.service.SetQuestions(ctx, room, actor("host"), &no, nil))
		if err != nil {
			t.Fatal(err)
		}
		if got := w.told(room, before); !slices.Equal(got, []string{"chat_set", "chat_set", "questions_set"}) {
			t.Errorf("told %v", got)
		}
		w.start()
		if v := w.view(room, "boris"); v.Chat != (besedka.ChatSetting{Mode: besedka.ChatFollowers, SlowSeconds: 10}) || v.Questions != (besedka.QuestionSetting{Anonymous: true}) {
			t.Errorf("after a restart %+v %+v", v.Chat, v.Questions)
		}
		_, err = w.service.Open(ctx, actor("other"), Opening{Kind: KindOpen, Chat: "some"})
		wantCode(t, "a room with such a chat", err, ErrChatInvalid)
		quiet, err := w.service.Open(ctx, actor("other"), Opening{Kind: KindOpen, Chat: besedka.ChatOff})
		if err != nil || w.view(quiet, "other").Chat.Mode != besedka.ChatOff {
			t.Errorf("%v", err)
		}
	})
}

func TestInsideSaysWhatSomebodyIs(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room, closed := w.hosted(), w.open("other", KindClosed)
		in, err := w.service.Inside(ctx, room, "anna")
		if err != nil || in.Role != besedka.RoleSpeaker || in.Refusal != nil || in.OnStageSince.IsZero() || in.People != 3 || !slices.Contains(in.Stage, "anna") ||
			slices.Contains(in.Stage, "boris") || !slices.Equal(in.Moderators, []besedka.AccountID{"host"}) {
			t.Errorf("%+v %v", in, err)
		}
		if in, err := w.service.Inside(ctx, room, "vera"); err != nil || in.Role != "" || !errors.Is(in.Refusal, ErrNotInRoom) {
			t.Errorf("who is not in it: %+v %v", in, err)
		}
		_, err = w.service.Inside(ctx, closed, "anna")
		wantCode(t, "a closed room", err, besedka.ErrNotFound)
		wantCode(t, "govern the host", w.service.Governs(ctx, room, "anna", "host"), ErrModeratorsOnly)
		if err := w.service.Governs(ctx, room, "host", "anna"); err != nil {
			t.Error(err)
		}
		if err := w.service.Remove(ctx, room, actor("host"), "anna", "spam", ""); err != nil {
			t.Fatal(err)
		}
		_, err = w.service.Inside(ctx, room, "anna")
		wantCode(t, "who was removed", err, ErrRemoved)
		for room, want := range map[besedka.RoomID]bool{room: false, "nowhere": true} {
			if ended, err := w.service.Ended(ctx, room); err != nil || ended != want {
				t.Errorf("%s ended: %v %v", room, ended, err)
			}
		}
		if err := w.service.End(ctx, room, actor("host")); err != nil {
			t.Fatal(err)
		}
		_, err = w.service.Inside(ctx, room, "boris")
		wantCode(t, "after the end", err, ErrEnded)
		if ended, err := w.service.Ended(ctx, room); err != nil || !ended {
			t.Errorf("ended: %v %v", ended, err)
		}
	})
}

func TestWhoIsAskedUpComesByTheirOwnAct(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		room := w.hosted()
		w.enter(room, "clara", "dina")
		w.stay(room, "clara", "dina")
		ask := func(by, target besedka.AccountID, agreed bool) (bool, error) {
			return w.service.AskUp(ctx, room, by, target, agreed)
		}
		_, err := ask("anna", "boris", true)
		wantCode(t, "by a speaker", err, ErrModeratorsOnly)
		_, err = ask("host", "vera", true)
		wantCode(t, "who is not here", err, ErrNotInRoom)
		if up, err := ask("host", "boris", false); up || err != nil || w.view(room, "boris").Me.StageInvitation == nil {
			t.Errorf("asked: %v %v", up, err)
		}
		if up, err := ask("host", "boris", true); !up || err != nil || w.role(room, "boris") != besedka.RoleSpeaker {
			t.Errorf("agreed: %v %v", up, err)
		}
		if err := w.service.RaiseHand(ctx, room, actor("clara"), "", ""); err != nil {
			t.Fatal(err)
		}
		if up, err := ask("host", "clara", false); !up || err != nil {
			t.Errorf("with a raised hand: %v %v", up, err)
		}
		w.block("anna", "dina", true)
		for _, agreed := range []bool{false, true} {
			_, err = ask("host", "dina", agreed)
			wantCode(t, "whom somebody on stage blocks", err, ErrBlockedOnStage)
		}
	})
}
