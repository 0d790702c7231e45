package room

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"besedka"
	"besedka/db"
)

// shares are the rooms that the account is shown, in order, each with who shows it.
func (w *world) shares(account besedka.AccountID) string {
	w.t.Helper()
	cards, err := w.service.Hallway(ctx, account)
	if err != nil {
		w.t.Fatal(err)
	}
	var lines []string
	for _, c := range cards {
		line := string(c.Host.ID)
		for _, one := range c.SharedBy {
			line += " " + strings.TrimSuffix(one.Person.Name+":"+one.Comment, ":")
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, ", ")
}

func (w *world) share(room besedka.RoomID, account besedka.AccountID, comment string) {
	w.t.Helper()
	w.clock.Advance(time.Second)
	w.do("share", w.service.Share(ctx, room, actor(account), comment))
}

// expects says what somebody's hallway must be.
func (w *world) expects(account besedka.AccountID, want string) {
	w.t.Helper()
	if got := w.shares(account); got != want {
		w.t.Errorf("%s is shown %q, want %q", account, got, want)
	}
}

func TestSharedRoomStandsFirstInTheHallwaysOfFollowersUntilItEnds(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		w.graph.follow("boris", "anna")
		room := w.open("host", KindOpen)
		w.enter(room, "anna")
		w.clock.Advance(time.Second)
		w.open("zoya", KindOpen)
		told := w.board.hallway
		w.share(room, "anna", "  come and hear ")
		if w.board.hallway == told {
			t.Error("hallways are not told")
		}
		if own := w.view(room, "anna").Me.Share; own == nil || own.Comment != "come and hear" || !own.At.Equal(moment(w.clock.Now())) {
			t.Errorf("her own share is %+v", own)
		}
		w.do("leave", w.service.Leave(ctx, room, actor("anna")))
		w.expects("boris", "host ANNA:come and hear, zoya")
		w.expects("gleb", "zoya, host")
		w.expects("anna", "zoya, host")
		w.start()
		w.expects("boris", "host ANNA:come and hear, zoya")
		wantCode(t, "from outside", w.service.Share(ctx, room, actor("anna"), "again"), ErrNotInRoom)
		w.enter(room, "anna")
		w.share(room, "anna", "")
		w.expects("boris", "host ANNA, zoya")
		w.do("leave", w.service.Leave(ctx, room, actor("anna")))
		for range 2 {
			w.do("unshare", w.service.Unshare(ctx, room, actor("anna")))
			w.expects("boris", "zoya, host")
		}
		w.enter(room, "anna")
		w.share(room, "anna", "a secret")
		w.do("end", w.service.End(ctx, room, actor("host")))
		left := 0
		err := w.db.Read(ctx, func(tx *db.Tx) error { return tx.QueryRow(`SELECT COUNT(*) FROM room_shares`).Scan(&left) })
		if err != nil || left != 0 {
			t.Errorf("%d shares are left, error %v", left, err)
		}
		wantCode(t, "after the end", w.service.Share(ctx, room, actor("anna"), ""), ErrEnded)
	})
}

func TestSharingOpensNoDoor(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		for _, kind := range []Kind{KindClosed, KindSocial} {
			host := besedka.AccountID("host-" + kind)
			room := w.open(host, kind)
			for _, account := range []besedka.AccountID{"anna", "vera"} {
				w.graph.follow("boris", "anna")
				w.graph.follow("vera", "anna")
				w.do("pick", w.service.Pick(ctx, room, actor(host), account))
			}
			w.enter(room, "anna")
			w.share(room, "anna", "come")
			w.expects("vera", string(host)+" ANNA:come")
			w.expects("boris", "")
			wantCode(t, "who may not come in", w.service.Unshare(ctx, room, actor("boris")), besedka.ErrNotFound)
			wantCode(t, "who may not come in", w.service.Share(ctx, room, actor("boris"), ""), besedka.ErrNotFound)
			w.do("end", w.service.End(ctx, room, actor(host)))
		}
	})
}

func TestNothingIsSharedByWhoIsBlockedRemovedOrSuspended(t *testing.T) {
	inWorlds(t, func(t *testing.T, w *world) {
		for _, sharer := range []besedka.AccountID{"anna", "vera"} {
			w.graph.follow("boris", sharer)
		}
		room := w.open("host", KindOpen)
		w.enter(room, "zoya", "anna", "vera")
		w.share(room, "vera", "")
		w.share(room, "anna", "")
		w.expects("boris", "host ANNA VERA")
		w.block("boris", "anna", true)
		w.expects("boris", "host VERA")
		w.block("boris", "anna", false)
		w.block("anna", "boris", true)
		w.expects("boris", "host VERA")
		w.block("anna", "boris", false)
		suspended := "anna"
		w.service.active.find = func(ctx context.Context, ids []besedka.AccountID) (map[besedka.AccountID]Person, error) {
			found, err := everybody(ctx, ids)
			delete(found, besedka.AccountID(suspended))
			return found, err
		}
		w.clock.Advance(namesFor)
		w.expects("boris", "host VERA")
		suspended = ""
		w.expects("boris", "host ANNA VERA")
		w.do("remove", w.service.Remove(ctx, room, actor("host"), "vera", "spam", ""))
		w.expects("boris", "host ANNA")
		w.do("undo", w.service.UndoRemoval(ctx, room, actor("host"), "vera"))
		w.expects("boris", "host ANNA")
		w.do("leave", w.service.Leave(ctx, room, actor("anna")))
		w.block("zoya", "anna", true) // a speaker
		w.expects("boris", "host ANNA")
		w.block("host", "anna", true)
		w.expects("boris", "host")
		w.block("host", "anna", false)
		w.start()
		w.expects("boris", "host")
	})
}

func TestTheLatestThreeSharesAreShown(t *testing.T) {
	w := oneWorld(t)
	room := w.open("host", KindOpen)
	w.clock.Advance(time.Second)
	w.open("zoya", KindOpen)
	for _, sharer := range []besedka.AccountID{"anna", "vera", "gleb", "dina"} {
		w.graph.follow("boris", sharer)
		w.enter(room, sharer)
		w.share(room, sharer, "")
	}
	w.expects("boris", "host DINA GLEB VERA, zoya")
	w.share(room, "anna", "new")
	w.share(room, "anna", "new")
	w.expects("boris", "host ANNA:new DINA GLEB, zoya")
}

func TestSharesAreFewAndShort(t *testing.T) {
	sc := play(t, KindOpen, "anna", "boris")
	for _, comment := range []string{strings.Repeat("я", MaxComment+1), "a\x00b", "one\ntwo", "\u202eback", "\xff"} {
		sc.refused(sc.Share("anna", comment, sc.tick()), ErrCommentInvalid)
	}
	sc.refused(sc.Share("nobody", "", sc.tick()), ErrNotInRoom)
	sc.must(sc.Share("anna", strings.Repeat("я", MaxComment), sc.tick()))
	before := sc.shares.rows["anna"]
	sc.must(sc.Share("anna", strings.Repeat("я", MaxComment), sc.tick()))
	if sc.shares.rows["anna"] != before {
		t.Error("the same comment is a new share")
	}
	for i := range maxShares - 1 {
		sc.shares.put(besedka.AccountID(fmt.Sprint("friend", i)), share{})
	}
	sc.settle()
	sc.refused(sc.Share("boris", "", sc.tick()), ErrTooManyShares)
	sc.must(sc.Share("anna", "another", sc.tick()))
	if follows := map[besedka.AccountID]bool{"anna": true}; len(sc.sharedBy(Actor{Who: "boris"}, follows)) != 1 {
		t.Error("not shown to who follows")
	}
}
