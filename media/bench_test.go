package media

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"testing"

	"besedka"
	"besedka/fanout"
)

// BenchmarkSessionMemory reports what a listener's session at rest keeps on
// the heap, without the handshake's garbage.
func BenchmarkSessionMemory(b *testing.B) {
	for _, profile := range []fanout.Profile{fanout.AES128GCM, fanout.AES128CMSHA180} {
		b.Run(fmt.Sprintf("%#x", uint16(profile)), func(b *testing.B) {
			const n = 900
			for b.Loop() {
				s, err := Listen(Config{Listen: netip.MustParseAddrPort("127.0.0.1:0")})
				if err != nil {
					b.Fatal(err)
				}
				before := heap()
				for i := range n {
					restingListener(b, s, i, profile)
				}
				b.ReportMetric(float64(heap()-before)/n, "heap-bytes/session")
				_ = s.Close()
			}
		})
	}
}

func restingListener(b *testing.B, s *Server, i int, profile fanout.Profile) {
	who := besedka.ParticipantID(fmt.Sprintf("participant-%015d", i))
	s.Grant("room", who, Grant{})
	got, err := s.Answer(context.Background(), Down, "room", who, besedka.CredentialID(fmt.Sprintf("credential-%015d", i)), []byte(seedOffer))
	if err != nil {
		b.Fatal(err)
	}
	x := s.tables.id(got.ID)
	x.mu.Lock()
	x.selectLocked(path{addr: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(1000+i))}, s.cfg.Now())
	x.mu.Unlock()
	x.establish(&handshake{ours: fanout.Keys{Profile: profile}, theirs: fanout.Keys{Profile: profile}, farewell: &recordKey{}})
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkCheck is one connectivity check answered: what a listener at rest costs.
func BenchmarkCheck(b *testing.B) {
	_, up, _, from := fuzzServer(b)
	check := signed([]byte{0, 1, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, up)
	now := up.server.cfg.Now()
	b.ReportAllocs()
	for b.Loop() {
		up.server.packet(check, from, now, nil)
	}
}
