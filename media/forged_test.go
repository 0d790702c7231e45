package media_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"

	"besedka/media"
)

// forgedRecords are what anybody can write who can send with a peer's address (RFC 6347 §4.1).
func forgedRecords() (all [][]byte) {
	record := func(kind byte, epoch uint16, number uint64, body ...byte) {
		b := []byte{kind, 0xfe, 0xfd}
		b = binary.BigEndian.AppendUint64(b, uint64(epoch)<<48|number)
		all = append(all, append(binary.BigEndian.AppendUint16(b, uint16(len(body))), body...))
	}
	const last = 1<<48 - 1
	for _, number := range []uint64{0, 1, 2, last} {
		record(21, 0, number, 2, 40) // a fatal alert
		record(21, 0, number, 1, 0)  // close_notify
		record(21, 0, number, 1)
		record(23, 0, number, 1, 2, 3)
		record(20, 0, number, 2)
		record(63, 0, number, 1)
	}
	record(20, 1, 0, 7, 7)
	record(21, 1, 0, make([]byte, 26)...)
	record(22, 1, 0, make([]byte, 40)...)
	record(25, 1, 0, make([]byte, 40)...)
	record(22, 9, 0, make([]byte, 40)...)
	record(22, 0, last, 20, 0, 0, 0, 0, 99, 0, 0, 0, 0, 0, 0) // a message that says nothing, far ahead
	return append(all, []byte{21}, []byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1})
}

// withRole answers for a listener who wants to be the DTLS client or server.
func withRole(r *relay, setup string) peerOptions {
	return peerOptions{answer: r.answer, offer: func(s string) string {
		return strings.ReplaceAll(s, "a=setup:actpass", "a=setup:"+setup)
	}}
}

func TestForgedRecordsDoNotEndAHandshake(t *testing.T) {
	t.Parallel()
	for _, setup := range []string{"active", "passive"} {
		t.Run(setup, func(t *testing.T) {
			w := newWorld(t)
			r := newRelay(t, w.srv)
			sp := w.stage(1, 30)[0]
			w.srv.Grant(room, "listener", media.Grant{})
			forged, sent := forgedRecords(), 0
			r.setDrop(func(_ bool, b []byte) bool { // with the peer's address, before every record of both sides
				if len(b) > 0 && b[0] >= 20 && b[0] <= 63 && sent < 20*len(forged) {
					for _, f := range forged {
						_, _ = r.back.WriteToUDPAddrPort(f, r.server)
						sent++
					}
				}
				return false
			})
			l := w.listener("listener", withRole(r, setup))
			w.live(l.session)
			w.ready(sp, 1, l)
			if n := w.srv.Stats().HandshakeFailures; n != 0 {
				t.Errorf("%d handshakes failed", n)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			if sent < 2*len(forged) {
				t.Errorf("only %d records were forged", sent)
			}
		})
	}
}

func TestForgedServerHelloBehindThePeersChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newRelay(t, w.srv)
	sp := w.stage(1, 30)[0]
	w.srv.Grant(room, "listener", media.Grant{})
	forged := 0
	r.setDrop(func(up bool, b []byte) bool {
		const random = 13 + 12 + 2
		if !up || len(b) < random+32 || b[0] != handshakeRecord || b[messageAt] != 2 {
			return false
		}
		other := bytes.Clone(b)
		for i := range 32 {
			other[random+i] ^= 0x55
		}
		for _, d := range [][]byte{b, other} {
			_, _ = r.back.WriteToUDPAddrPort(d, r.server)
		}
		forged++
		return true
	})
	l := w.listener("listener", withRole(r, "passive"))
	w.live(l.session)
	w.ready(sp, 1, l) // with the keys of the peer's own hello
	before := w.srv.Stats().Farewells
	_ = l.pc.Close()
	eventually(t, "his goodbye is understood", func() bool { return w.srv.Stats().Farewells > before })
	r.mu.Lock()
	defer r.mu.Unlock()
	if forged == 0 {
		t.Error("nothing was forged")
	}
}

func TestWhatWaitsForASlowStreamIsNotSentAfterRevoke(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, _, slow := w.withSlow(t)
	<-slow.done
	w.srv.Revoke(room, "slow")
	if n, err := io.Copy(io.Discard, slow.tcp); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after %d bytes: %v; want what the system held back to be gone", n, err)
	}
}
