package fanout

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"math/bits"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// The tests of this file let libopus decode a stream as its encoder made it and the
// same stream merged, and compare every sample.

// opusTool finds opusenc or opusdec.
func opusTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: install the package opus-tools (apt-get install opus-tools)", name)
	}
	return path
}

// oggStream is the part of an Ogg Opus file (RFC 7845) that these tests need.
type oggStream struct {
	headers [2][]byte // OpusHead, OpusTags
	packets [][]byte
	granule uint64 // of the last page: where the sound ends
}

func readOgg(t *testing.T, raw []byte) oggStream {
	t.Helper()
	var s oggStream
	var all [][]byte
	var packet []byte
	for len(raw) > 0 {
		if len(raw) < 27 || string(raw[:4]) != "OggS" || len(raw) < 27+int(raw[26]) {
			t.Fatal("no Ogg page")
		}
		s.granule = binary.LittleEndian.Uint64(raw[6:])
		lacing := raw[27 : 27+int(raw[26])]
		raw = raw[27+len(lacing):]
		for _, n := range lacing {
			packet, raw = append(packet, raw[:n]...), raw[n:]
			if n < 255 {
				all, packet = append(all, packet), nil
			}
		}
	}
	if len(all) < 3 {
		t.Fatalf("%d packets in the Ogg file", len(all))
	}
	s.headers, s.packets = [2][]byte{all[0], all[1]}, all[2:]
	return s
}

// bytes writes the stream with one page for each packet (RFC 3533 §6).
func (s oggStream) bytes(t *testing.T) []byte {
	t.Helper()
	var out []byte
	sequence := uint32(0)
	page := func(kind byte, granule uint64, packet []byte) {
		head := append([]byte("OggS\x00"), kind)
		head = binary.LittleEndian.AppendUint64(head, granule)
		head = binary.LittleEndian.AppendUint32(head, 1)
		head = binary.LittleEndian.AppendUint32(head, sequence)
		head = append(head, 0, 0, 0, 0, byte(len(packet)/255+1))
		head = append(head, bytes.Repeat([]byte{255}, len(packet)/255)...)
		head = append(append(head, byte(len(packet)%255)), packet...)
		binary.LittleEndian.PutUint32(head[22:], oggChecksum(head))
		out = append(out, head...)
		sequence++
	}
	page(2, 0, s.headers[0])
	page(0, 0, s.headers[1])
	granule := uint64(0)
	for i, p := range s.packets {
		n, err := OpusSamples(p)
		if err != nil {
			t.Fatal(err)
		}
		granule += uint64(n)
		if i == len(s.packets)-1 {
			page(4, s.granule, p)
			break
		}
		page(0, granule, p)
	}
	return out
}

// oggTable is CRC-32 with the polynomial of Ethernet, but without its reflection.
var oggTable = crc32.MakeTable(0xedb88320)

func oggChecksum(b []byte) uint32 {
	mirrored := make([]byte, len(b))
	for i, x := range b {
		mirrored[i] = bits.Reverse8(x)
	}
	// crc32 inverts the register before and after, Ogg does neither.
	return bits.Reverse32(^crc32.Update(^uint32(0), oggTable, mirrored))
}

// speechLike makes something like speech, 16-bit little-endian at 48 kHz: syllables of a
// gliding voice with hisses between them, and pauses.
func speechLike(seed uint64, seconds, channels int) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	out := make([]byte, 0, seconds*48000*2*channels)
	phase := 0.0
	for n := 0; n < seconds*48000; {
		kind, length := r.IntN(4), 4800+r.IntN(14400)
		pitch, glide, formant := 90+120*r.Float64(), r.Float64()-0.5, 400+1800*r.Float64()
		if kind == 3 {
			length *= 3
		}
		for i := 0; i < length && n < seconds*48000; i, n = i+1, n+1 {
			at := float64(i) / float64(length)
			phase += pitch * (1 + glide*at) / 48000
			x := 0.0
			switch kind {
			case 0, 1: // a voice
				_, cycle := math.Modf(phase)
				x = math.Exp(-6*cycle) * math.Sin(2*math.Pi*formant*cycle/pitch) * math.Sin(math.Pi*at)
			case 2: // a hiss
				x = 0.3 * (r.Float64() - 0.5) * math.Sin(math.Pi*at)
			}
			for c := range channels {
				v := int16(12000 * x * (1 - 0.4*float64(c)))
				out = binary.LittleEndian.AppendUint16(out, uint16(v))
			}
		}
	}
	return out
}

func encode(t *testing.T, pcm []byte, channels string, options ...string) oggStream {
	t.Helper()
	cmd := exec.Command(opusTool(t, "opusenc"), append(append([]string{"--quiet", "--raw", "--raw-chan", channels}, options...), "-", "-")...)
	cmd.Stdin = bytes.NewReader(pcm)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	raw, err := cmd.Output()
	if err != nil {
		t.Fatalf("opusenc: %v: %s", err, complaint.Bytes())
	}
	return readOgg(t, raw)
}

func decode(t *testing.T, s oggStream) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "stream.opus")
	if err := os.WriteFile(file, s.bytes(t), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(opusTool(t, "opusdec"), "--quiet", "--no-dither", "--rate", "48000", file, "-")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	pcm, err := cmd.Output()
	if err != nil {
		t.Fatalf("opusdec: %v: %s", err, complaint.Bytes())
	}
	return pcm
}

// merge sends a stream through a Merger; disturb is called before every packet, and
// what it gives is part of the stream.
func (s oggStream) merge(t *testing.T, m *Merger, disturb func() []OpusPacket) oggStream {
	t.Helper()
	out := oggStream{headers: s.headers, granule: s.granule}
	take := func(packets []OpusPacket) {
		for _, p := range clone(packets) {
			out.packets = append(out.packets, p.Payload)
		}
	}
	at := uint32(0)
	for _, payload := range s.packets {
		take(disturb())
		packets, err := m.Push(nil, OpusPacket{Timestamp: at, Payload: payload}, start)
		if err != nil {
			t.Fatal(err)
		}
		take(packets)
		n, _ := OpusSamples(payload)
		at += uint32(n)
	}
	take(m.Flush(nil))
	return out
}

func TestMergedStreamDecodesToTheSameSamples(t *testing.T) {
	const (
		fec = "4012=1" // OPUS_SET_INBAND_FEC
		dtx = "4016=1" // OPUS_SET_DTX
	)
	for name, c := range map[string]struct {
		channels string
		options  []string
		merges   bool // 60 ms of framing makes fewer packets
	}{
		"speech with FEC":       {"1", []string{"--speech", "--bitrate", "28", "--expect-loss", "10", "--set-ctl-int", fec}, true},
		"speech with DTX":       {"1", []string{"--speech", "--bitrate", "24", "--set-ctl-int", dtx}, true},
		"narrow speech":         {"1", []string{"--speech", "--bitrate", "10"}, true},
		"music in stereo":       {"2", []string{"--music", "--bitrate", "96"}, true},
		"stereo, constant rate": {"2", []string{"--hard-cbr", "--bitrate", "48"}, true},
		"frames of 2.5 ms":      {"1", []string{"--framesize", "2.5", "--bitrate", "64"}, true},
		"frames of 10 ms":       {"1", []string{"--framesize", "10", "--bitrate", "32"}, true},
		"frames of 40 ms":       {"1", []string{"--framesize", "40", "--bitrate", "24"}, false},
		"frames of 60 ms":       {"2", []string{"--framesize", "60", "--bitrate", "64"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stream := encode(t, speechLike(1, 12, int(c.channels[0]-'0')), c.channels, c.options...)
			want := decode(t, stream)
			if len(want) < 11*48000*2 {
				t.Fatalf("only %d bytes of sound", len(want))
			}
			isShort := func(p []byte) bool { return len(p) <= 2 }
			if slices.Contains(c.options, dtx) != slices.ContainsFunc(stream.packets, isShort) {
				t.Fatal("the encoder was silent where it should not be, or the other way round")
			}
			r := rand.New(rand.NewPCG(8, 8))
			for mode, merged := range map[string]oggStream{
				"20 ms": stream.merge(t, NewMerger(Framing20, 1150), undisturbed),
				"40 ms": stream.merge(t, NewMerger(Framing40, 1150), undisturbed),
				"60 ms": stream.merge(t, NewMerger(Framing60, 1150), undisturbed),
				"early": flushing(t, stream, r),
			} {
				if got := decode(t, merged); !bytes.Equal(got, want) {
					t.Errorf("%s: the samples differ", mode)
				}
				if mode == "60 ms" && (len(merged.packets) < len(stream.packets)) != c.merges {
					t.Errorf("60 ms: %d packets of %d", len(merged.packets), len(stream.packets))
				}
			}
		})
	}
}

// flushing merges to 60 ms and lets packets out early at random.
func flushing(t *testing.T, s oggStream, r *rand.Rand) oggStream {
	m := NewMerger(Framing60, 1150)
	return s.merge(t, m, func() []OpusPacket {
		if r.IntN(5) == 0 {
			return m.Flush(nil)
		}
		return nil
	})
}

func undisturbed() []OpusPacket { return nil }

// TestComparedSamplesShowADifference proves that the comparison above can fail.
func TestComparedSamplesShowADifference(t *testing.T) {
	stream := encode(t, speechLike(1, 3, 1), "1", "--speech", "--bitrate", "28")
	want := decode(t, stream)
	merged := stream.merge(t, NewMerger(Framing60, 1150), undisturbed)
	loud := slices.MaxFunc(merged.packets, func(a, b []byte) int { return len(a) - len(b) })
	loud[len(loud)/2] ^= 0x10
	if bytes.Equal(decode(t, merged), want) {
		t.Error("a changed bit was not heard")
	}
}
