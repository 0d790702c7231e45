package media_test

import (
	"fmt"
	"testing"

	"besedka"
	"besedka/media"
)

// since counts the frames with a number of at least first.
func since(numbers []uint32, first uint32) (n int) {
	for _, x := range numbers {
		if x >= first {
			n++
		}
	}
	return n
}

func TestFiveListenersHearTheHost(t *testing.T) {
	w := newWorld(t)
	w.srv.Grant(room, "host", media.Grant{CSRC: 7, Publish: true, Forward: true})
	host := w.speaker("host", 30, peerOptions{})
	var listeners []*listener
	for i := range 5 {
		who := besedka.ParticipantID(fmt.Sprint("listener", i))
		w.srv.Grant(room, who, media.Grant{})
		listeners = append(listeners, w.listener(who, peerOptions{}))
	}
	w.live(host.session)
	for _, l := range listeners {
		w.live(l.session)
	}
	w.ready(host, 7, listeners...)
	const frames = 150
	first := host.n
	talk(frames, host)
	for i, l := range listeners {
		eventually(t, fmt.Sprintf("listener %d hears 97 %%", i), func() bool {
			return since(l.from(7), first) >= frames*97/100
		})
		for _, h := range l.all() {
			if len(h.CSRC) != 1 || h.CSRC[0] != 7 {
				t.Fatalf("packet with CSRC %v", h.CSRC)
			}
			if level := h.GetExtension(1); len(h.payload) > 2 && (len(level) < 1 || level[0]&0x7f != 30) {
				t.Fatalf("packet with level %v", level)
			}
		}
	}
}
