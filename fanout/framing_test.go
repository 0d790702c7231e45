package fanout

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtp"
)

// redType is the payload type of RED in these tests.
const redType = 63

var withRED = Class{Type: 111, RED: redType, LevelID: 1}

// crowd is a hall whose audience is a crowd from two listeners on.
func crowd(t *testing.T) *hall {
	h := newHall(t)
	h.floor.policy = Policy{Audience: 2}.complete()
	return h
}

// seconds lets voices speak that long, with the sweep each second and the Flusher's looks.
func (h *hall) seconds(n int, voices ...*voice) {
	for range n {
		for range 50 {
			h.say(1, voices...)
			h.floor.Expire(h.now)
		}
		h.floor.Sweep(h.now)
	}
}

// lengths are how long the packets are that an ear got, in frames, with how many of
// each follow one another; a + stands for each earlier packet repeated.
func (e *ear) lengths() (out []string) {
	e.t.Helper()
	last, n := "", 0
	flush := func() {
		if n > 0 {
			out = append(out, fmt.Sprintf("%s×%d", last, n))
		}
	}
	for _, p := range e.rtp {
		blocks := e.blocks(p)
		samples, err := OpusSamples(blocks[len(blocks)-1].Payload)
		if err != nil {
			e.t.Fatal(err)
		}
		kind := fmt.Sprint(samples / 48)
		for range blocks[1:] {
			kind += "+"
		}
		if kind != last {
			flush()
			last, n = kind, 0
		}
		n++
	}
	flush()
	return out
}

// blocks are what a packet carries, the primary last.
func (e *ear) blocks(p rtp.Packet) []REDBlock {
	e.t.Helper()
	if p.PayloadType != redType {
		return []REDBlock{{p.PayloadType, p.Timestamp, p.Payload, true}}
	}
	blocks, err := ParseRED(nil, p.Payload, p.Timestamp)
	if err != nil {
		e.t.Fatal(err)
	}
	for _, b := range blocks {
		if b.PayloadType != 111 {
			e.t.Fatalf("a block of type %d", b.PayloadType)
		}
	}
	return blocks
}

func TestLargeAudienceIsFramedUpByStepsAndDownAgain(t *testing.T) {
	h := crowd(t)
	e, _ := h.ear(ListenerConfig{})
	short, shortListener := h.ear(ListenerConfig{Longest: Framing40})
	stage, stageListener := h.ear(ListenerConfig{Stage: true})
	other, l := h.ear(ListenerConfig{Slots: 1})
	v := h.voice(1, 30)
	h.seconds(12, v)
	if got := fmt.Sprint(e.lengths()); got != "[20×300 40×50 60×66]" {
		t.Errorf("framed %s", got)
	}
	if got := fmt.Sprint(short.lengths()); got != "[20×300 40×150]" {
		t.Errorf("who plays 40 ms got %s", got)
	}
	if got := fmt.Sprint(stage.lengths()); got != "[20×600]" {
		t.Errorf("on stage %s", got)
	}
	before := len(other.rtp)
	l.SetStage(h.now, true)
	h.seconds(3, v)
	if got := other.rtp[before:]; len(got) < 150 {
		t.Errorf("who has come on stage got %d packets in 3 s", len(got))
	}
	for _, gone := range []*Listener{l, shortListener, stageListener} {
		gone.Close()
	}
	before = len(e.rtp)
	h.seconds(10, v)
	e.rtp = e.rtp[before:]
	if got := e.lengths(); len(got) != 3 || !strings.HasPrefix(got[2], "20×") {
		t.Errorf("who was left alone got %s", got)
	}
	for _, x := range []*ear{e, short, stage, other} {
		x.clean()
	}
}

func TestBusyMachineFramesAudiencesUpToTheLongestPackets(t *testing.T) {
	h := crowd(t)
	e, _ := h.ear(ListenerConfig{})
	stage, _ := h.ear(ListenerConfig{Stage: true})
	lossy, lossyListener := h.ear(ListenerConfig{Class: withRED})
	v := h.voice(1, 30)
	h.seconds(10, v)
	h.floor.Save(true)
	h.seconds(12, v)
	if got := fmt.Sprint(e.lengths()); got != "[20×300 40×50 60×50 80×25 100×20 120×58]" {
		t.Errorf("framed %s", got)
	}
	if got := fmt.Sprint(stage.lengths()); got != "[20×1100]" {
		t.Errorf("on stage %s", got)
	}
	lossyListener.Report(h.now, h.floor.SSRC(0), someLoss)
	h.seconds(2, v)
	if got := lossy.lengths(); !strings.HasPrefix(got[len(got)-1], "60+×") {
		t.Errorf("with loss %s", got)
	}

	late, lateListener := h.ear(ListenerConfig{})
	modest, _ := h.ear(ListenerConfig{Longest: Framing40})
	speaker, _ := h.ear(ListenerConfig{Stage: true})
	h.seconds(2, v)
	for _, who := range []struct {
		what string
		ear  *ear
		want string
	}{{"who came late", late, "120"}, {"who plays 40 ms", modest, "40"}, {"who came on stage", speaker, "20"}} {
		if got := who.ear.lengths(); len(got) != 1 || !strings.HasPrefix(got[0], who.want+"×") {
			t.Errorf("%s got %s", who.what, got)
		}
	}
	before := len(late.rtp)
	lateListener.SetStage(h.now, true)
	h.seconds(1, v)
	if n := len(late.rtp) - before; n < 50 {
		t.Errorf("who has come on stage got %d packets in a second", n)
	}

	h.floor.Save(false)
	h.seconds(10, v)
	if got := e.lengths(); !strings.HasPrefix(got[len(got)-1], "60×") {
		t.Errorf("when it is not busy any more %s", got)
	}
	for _, x := range []*ear{e, stage, late, modest, speaker} {
		x.clean()
	}
}

func TestListenersOfASmallRoomKeep20ms(t *testing.T) {
	h := newHall(t)
	e, _ := h.ear(ListenerConfig{})
	v := h.voice(1, 30)
	h.seconds(10, v)
	if got := fmt.Sprint(e.lengths()); got != "[20×500]" {
		t.Errorf("framed %s", got)
	}
}

func TestAudienceMustShrinkByAFifthToBeFramedDown(t *testing.T) {
	p := Policy{}.complete()
	f := Framing20
	for i, step := range []struct {
		n    int
		busy bool
		want Framing
	}{
		{49, false, Framing20}, {50, false, Framing60}, {49, false, Framing60}, {40, false, Framing60}, {39, false, Framing20}, {49, false, Framing20},
		{499, false, Framing60}, {500, false, Framing80}, {400, false, Framing80}, {399, false, Framing60}, {499, false, Framing60},
		{500, true, Framing120}, {499, false, Framing80}, {50, true, Framing120}, {40, true, Framing120}, {39, true, Framing20}, {49, true, Framing20},
	} {
		if f = p.framing(f, step.n, step.busy); f != step.want {
			t.Errorf("step %d, %d listeners: %d", i, step.n, f)
		}
	}
	p.Throng, f = 1000, Framing60
	for i, step := range []struct {
		n    int
		want Framing
	}{{999, Framing80}, {1000, Framing120}, {800, Framing120}, {799, Framing80}, {399, Framing60}, {39, Framing20}} {
		if f = p.framing(f, step.n, false); f != step.want {
			t.Errorf("with the longest packets in the largest audiences, step %d, %d listeners: %d", i, step.n, f)
		}
	}
	if f := (Policy{Audience: -1}).complete().framing(Framing60, 10000, true); f != Framing20 {
		t.Error("merged though it never should")
	}
}

func TestLossBringsRedundancyOrShortPackets(t *testing.T) {
	h := crowd(t)
	red, redListener := h.ear(ListenerConfig{Class: withRED})
	bare, bareListener := h.ear(ListenerConfig{})
	v := h.voice(1, 30)
	h.seconds(10, v)
	tail := func(e *ear) string {
		all := e.lengths()
		kind, _, _ := strings.Cut(all[len(all)-1], "×")
		return kind
	}
	told := func(fraction uint8) (string, string) {
		for range 3 {
			redListener.Report(h.now, 1000, fraction)
			bareListener.Report(h.now, 1000, fraction)
			h.seconds(1, v)
		}
		return tail(red), tail(bare)
	}
	if r, b := told(someLoss - 1); r != "60" || b != "60" {
		t.Errorf("no loss to speak of: %s %s", r, b)
	}
	if r, b := told(someLoss); r != "60+" || b != "20" {
		t.Errorf("loss: %s %s", r, b)
	}
	if r, b := told(heavyLoss); r != "20++" || b != "20" {
		t.Errorf("heavy loss: %s %s", r, b)
	}
	redListener.Report(h.now, 1003, 255) // no stream of his
	h.seconds(60, v)
	if r, b := tail(red), tail(bare); r != "60" || b != "60" {
		t.Errorf("healed: %s %s", r, b)
	}
	red.clean()
	bare.withoutCopies()
	bare.clean()
}

// withoutCopies throws away what came before, as replay protection does, and puts what
// came late where it belongs. It gives how many came twice or more.
func (e *ear) withoutCopies() (copies int) {
	e.t.Helper()
	first := map[uint16][]byte{}
	kept := e.rtp[:0]
	for _, p := range e.rtp {
		if was, ok := first[p.SequenceNumber]; ok {
			if !bytes.Equal(was, p.Payload) {
				e.t.Fatalf("packet %d came with another content", p.SequenceNumber)
			}
			copies++
			continue
		}
		first[p.SequenceNumber] = p.Payload
		kept = append(kept, p)
	}
	e.rtp = kept
	return copies
}

func TestWhoDoesNotKnowREDGetsCopiesWhilePacketsAreLost(t *testing.T) {
	h := newHall(t)
	e, l := h.ear(ListenerConfig{})
	v := h.voice(1, 30)
	copies := func(seconds int) int {
		e.rtp = nil
		h.seconds(seconds, v)
		return e.withoutCopies()
	}
	if got := copies(4); got != 0 {
		t.Errorf("%d copies without loss", got)
	}
	l.Report(h.now, 1000, someLoss)
	h.seconds(1, v)
	if got := copies(4); got < 195 || got > 205 {
		t.Errorf("%d copies of 200 packets with loss", got)
	}
	l.Report(h.now, 1000, heavyLoss)
	h.seconds(1, v)
	if got := copies(4); got < 390 || got > 410 {
		t.Errorf("%d copies of 200 packets with heavy loss", got)
	}
	if h.seconds(60, v); copies(4) != 0 {
		t.Error("copies long after the loss")
	}
	l.Report(h.now, 1000, someLoss) // at once again: what the copies repaired is in no report
	h.seconds(30, v)
	if copies(4) == 0 {
		t.Error("no copies a while after the loss has come back")
	}
}

func TestBeginningOfASilenceReachesWhoLosesPackets(t *testing.T) {
	h := newHall(t)
	fine, _ := h.ear(ListenerConfig{Class: withRED})
	e, l := h.ear(ListenerConfig{Class: withRED})
	v := h.voice(1, 30)
	h.seconds(3, v)
	l.Report(h.now, h.floor.SSRC(0), 12) // 5 %
	h.seconds(2, v)
	silence := func() (own, others int) {
		own, others = len(e.rtp), len(fine.rtp)
		h.now = h.now.Add(20 * time.Millisecond)
		v.next(1)
		v.send(0x78)
		for range 30 {
			h.now = h.now.Add(10 * time.Millisecond)
			h.floor.Expire(h.now)
		}
		return own, others
	}
	own, others := silence()
	if got := len(fine.rtp) - others; got != 1 {
		t.Errorf("who loses nothing got the silence %d times", got)
	}
	if got := e.rtp[own:]; len(got) != 1+echoes || got[0].SequenceNumber != got[echoes].SequenceNumber || !bytes.Equal(got[0].Payload, got[echoes].Payload) {
		t.Errorf("who loses packets got the silence %d times", len(got))
	}
	h.now = h.now.Add(20 * time.Millisecond)
	v.next(1)
	v.send(0x78)
	own = len(e.rtp)
	h.say(1, v)
	h.now = h.now.Add(100 * time.Millisecond)
	if h.floor.Expire(h.now) || len(e.rtp) != own+1 {
		t.Errorf("a silence that has ended is said again: %d packets after it", len(e.rtp)-own)
	}
	v.next(1)
	v.send(0x78)
	own = len(e.rtp)
	v.sp.SetForward(h.now, false)
	h.now = h.now.Add(100 * time.Millisecond)
	if h.floor.Expire(h.now); len(e.rtp) != own {
		t.Errorf("%d packets of a muted speaker", len(e.rtp)-own)
	}
}

func TestWhatIsAskedForAgainCountsAsLoss(t *testing.T) {
	h := crowd(t)
	e, l := h.ear(ListenerConfig{Class: withRED})
	h.ear(ListenerConfig{})
	v := h.voice(1, 30)
	h.seconds(12, v)
	last := func() string {
		all := e.lengths()
		kind, _, _ := strings.Cut(all[len(all)-1], "×")
		return kind
	}
	ask := func(every int) {
		for range 12 {
			for range 50 {
				n := len(e.rtp)
				h.say(1, v)
				if len(e.rtp) > n && e.rtp[n].SequenceNumber%uint16(every) == 0 {
					l.Nack(h.now, 1000, e.rtp[n].SequenceNumber, 0)
				}
			}
			h.floor.Sweep(h.now)
		}
	}
	if ask(100); last() != "60" {
		t.Errorf("1 %% brings %s", last())
	}
	if ask(20); last() != "60+" {
		t.Errorf("5 %% bring %s", last())
	}
	if ask(6); last() != "20++" {
		t.Errorf("17 %% bring %s", last())
	}
}

func TestFramesThatWaitInVainAreSent(t *testing.T) {
	h := crowd(t)
	e, _ := h.ear(ListenerConfig{})
	h.ear(ListenerConfig{})
	v := h.voice(1, 30)
	h.seconds(12, v)
	for !h.waits() {
		h.say(1, v)
	}
	n := len(e.rtp)
	for range 6 {
		h.now = h.now.Add(10 * time.Millisecond)
		h.floor.Expire(h.now)
	}
	if len(e.rtp) != n+1 || h.floor.Expire(h.now) {
		t.Errorf("%d packets", len(e.rtp)-n)
	}
	e.clean()
}

func TestNothingOfARemovedSpeakerIsSent(t *testing.T) {
	for name, silence := range map[string]func(*hall, *voice){
		"muted":   func(h *hall, v *voice) { v.sp.SetForward(h.now, false) },
		"removed": func(h *hall, v *voice) { v.sp.Close(h.now) },
	} {
		t.Run(name, func(t *testing.T) {
			h := crowd(t)
			e, l := h.ear(ListenerConfig{Class: withRED})
			h.ear(ListenerConfig{})
			v, w := h.voice(1, 30), h.voice(2, 30)
			l.Report(h.now, 1000, heavyLoss)
			h.seconds(3, v)
			l.Report(h.now, 1000, someLoss)
			h.seconds(30, v)
			for !h.waits() {
				h.say(1, v)
			}
			silence(h, v)
			n := len(e.rtp)
			if last := e.blocks(e.rtp[n-1]); len(last) != 1 || len(last[0].Payload) != 1 {
				t.Fatalf("the last packet is no marker: %d blocks", len(last))
			}
			h.seconds(1, v, w)
			for seq := range uint16(200) {
				l.Nack(h.now.Add(time.Duration(seq)*time.Second), 1000, e.rtp[n-1].SequenceNumber-seq, 0)
			}
			for _, p := range e.rtp[n:] {
				for _, b := range e.blocks(p) {
					var o opusFrames
					if err := o.parse(b.Payload); err != nil {
						t.Fatal(err)
					}
					for _, f := range o.cut() { // the other one has only begun to count
						if len(f) > 8 && (p.CSRC[0] == 1 || binary.BigEndian.Uint64(f) > 1000) {
							t.Fatal("heard after it")
						}
					}
				}
			}
		})
	}
}

func TestREDOfASpeakerFillsHoles(t *testing.T) {
	h := newHall(t)
	e, _ := h.ear(ListenerConfig{})
	v := h.voice(1, 30)
	for i := range 198 {
		h.now = h.now.Add(20 * time.Millisecond)
		v.next(1)
		if i%3 == 1 {
			continue // lost
		}
		v.p.Earlier = []REDBlock{{111, v.p.Timestamp - 960, numbered(v.p.Index - 1), false}}
		v.send(numbered(v.p.Index)...)
	}
	if len(e.rtp) != 198 || h.counters.Repaired.Load() != 66 {
		t.Errorf("%d packets, %d repaired", len(e.rtp), h.counters.Repaired.Load())
	}
	e.clean()
	for i, p := range e.rtp {
		if binary.BigEndian.Uint64(p.Payload[1:]) != uint64(101+i) {
			t.Fatalf("packet %d is %v", i, p.Payload)
		}
	}
}

// A jitter buffer conceals what comes twice: it throws away the whole packet that begins with it.
func TestSwitchesRepeatNoFrameOfASpeakerWithRED(t *testing.T) {
	h := crowd(t)
	e, lossy := h.ear(ListenerConfig{Class: withRED})
	other, l := h.ear(ListenerConfig{Slots: 1})
	v := h.voice(1, 30)
	payload := func(i uint64) []byte { return binary.BigEndian.AppendUint64([]byte{0x78}, i) }
	seconds := func(n int) {
		for range n {
			for range 50 {
				h.now = h.now.Add(20 * time.Millisecond)
				v.next(1)
				v.p.Earlier = []REDBlock{{111, v.p.Timestamp - 960, payload(v.p.Index - 1), false}}
				v.send(payload(v.p.Index)...)
				h.floor.Expire(h.now)
			}
			h.floor.Sweep(h.now)
		}
	}
	seconds(10)                              // 20, 40, 60
	lossy.Report(h.now, h.floor.SSRC(0), 12) // 5 % are lost: with RED
	seconds(3)
	l.Close()
	seconds(30) // and back
	if got := fmt.Sprint(e.lengths()); strings.Count(got, "×") < 6 {
		t.Errorf("few switches: %s", got)
	}
	for _, x := range []*ear{e, other} {
		var end uint32
		for i, p := range x.rtp {
			blocks := x.blocks(p)
			samples, err := OpusSamples(blocks[len(blocks)-1].Payload)
			if err != nil {
				t.Fatal(err)
			}
			if i > 0 && p.Timestamp != end {
				t.Fatalf("packet %d begins %d samples after the end of the one before", i, int32(p.Timestamp-end))
			}
			end = p.Timestamp + uint32(samples)
		}
	}
}

// mob is a floor with listeners who come, go and complain, and speakers who
// lose packets, at random.
type mob struct {
	*hall
	r        *rand.Rand
	voices   []*voice
	muted    map[uint32]bool
	ears     []*member
	stay     int                  // so many of them stay
	frames   map[[3]uint32]string // slots, SSRC, timestamp → frame: the same for all of a view
	truthful bool                 // speakers are not muted, so that nobody may miss a frame
}

// member is a listener of the mob and what he has heard.
type member struct {
	*ear
	l       *Listener
	slots   int
	checked int
	sent    map[[2]uint32]rtp.Packet // SSRC, sequence number
	next    map[uint32]uint16
	heard   map[[2]uint32]bool // SSRC, timestamp of a frame
}

func (m *mob) join() {
	c := ListenerConfig{Slots: 1 + 2*m.r.IntN(2), Stage: m.r.IntN(8) == 0, Longest: Framing(m.r.IntN(4))}
	if m.r.IntN(2) == 0 {
		c.Class = withRED
	}
	m.add(c)
}

func (m *mob) add(c ListenerConfig) {
	e, l := m.ear(c)
	m.ears = append(m.ears, &member{ear: e, l: l, slots: c.Slots, sent: map[[2]uint32]rtp.Packet{}, next: map[uint32]uint16{}, heard: map[[2]uint32]bool{}})
}

// step is 20 ms.
func (m *mob) step() {
	m.now = m.now.Add(10 * time.Millisecond)
	m.floor.Expire(m.now)
	m.now = m.now.Add(10 * time.Millisecond)
	for _, v := range m.voices {
		v.next(1)
		switch m.r.IntN(60) {
		case 0: // lost
			continue
		case 1: // a pause
			v.send(0x78)
			v.p.Timestamp += 960 * uint32(m.r.IntN(20))
			continue
		case 2:
			v.p.Level = []uint8{20, 40, 50, 127}[m.r.IntN(4)]
		}
		b := append([]byte{0x78}, make([]byte, 9+m.r.IntN(60))...)
		binary.BigEndian.PutUint64(b[1:], v.p.Index)
		b[9] = byte(v.sp.csrc)
		v.send(b...)
	}
	m.checkAll()
	m.disturb()
	m.floor.Expire(m.now)
	if m.r.IntN(25) == 0 {
		m.floor.Sweep(m.now)
	}
	m.checkAll()
}

func (m *mob) checkAll() {
	m.t.Helper()
	for _, e := range m.ears {
		m.check(e)
	}
}

func (m *mob) disturb() {
	x := m.ears[m.r.IntN(len(m.ears))]
	switch m.r.IntN(40) {
	case 0:
		m.join()
	case 1:
		if more := len(m.ears) - m.stay; more > 0 {
			k := m.stay + m.r.IntN(more)
			m.ears[k].l.Close()
			m.ears = append(m.ears[:k], m.ears[k+1:]...)
		}
	case 2:
		x.l.SetStage(m.now, m.r.IntN(2) == 0)
	case 3:
		x.l.Report(m.now, 1000, byte(m.r.IntN(60)))
	case 4, 5:
		x.l.Nack(m.now, 1000, x.next[1000]-uint16(m.r.IntN(80)), uint16(m.r.Uint32()))
	case 6:
		if !m.truthful {
			v := m.voices[m.r.IntN(len(m.voices))]
			m.muted[v.sp.csrc] = !m.muted[v.sp.csrc]
			v.sp.SetForward(m.now, !m.muted[v.sp.csrc])
		}
	}
}

// check looks at what a listener got since the last look.
func (m *mob) check(e *member) {
	m.t.Helper()
	for ; e.checked < len(e.rtp); e.checked++ {
		p := e.rtp[e.checked]
		key := [2]uint32{p.SSRC, uint32(p.SequenceNumber)}
		if before, again := e.sent[key]; again { // sent again: the same bytes, or the nonce is used twice
			if !bytes.Equal(before.Payload, p.Payload) || before.Timestamp != p.Timestamp || before.PayloadType != p.PayloadType || before.Marker != p.Marker || before.CSRC[0] != p.CSRC[0] {
				m.t.Fatal("one sequence number for two packets")
			}
			if m.muted[p.CSRC[0]] && len(p.Payload) > 2 {
				m.t.Fatal("sent again though muted")
			}
			continue
		}
		if next, ok := e.next[p.SSRC]; ok && p.SequenceNumber != next {
			m.t.Fatalf("sequence number %d instead of %d", p.SequenceNumber, next)
		}
		e.sent[key], e.next[p.SSRC] = p, p.SequenceNumber+1
		blocks := e.blocks(p)
		for _, b := range blocks {
			m.hears(e, p, b)
		}
	}
}

// hears looks at one block: the frames in it are those that everybody of the view hears at these times.
func (m *mob) hears(e *member, p rtp.Packet, b REDBlock) {
	m.t.Helper()
	var o opusFrames
	if err := o.parse(b.Payload); err != nil {
		m.t.Fatal(err)
	}
	for i, f := range o.cut() {
		ts := b.Timestamp + uint32(960*i)
		at := [3]uint32{uint32(e.slots), p.SSRC, ts}
		if was, ok := m.frames[at]; ok && was != string(f) {
			m.t.Fatalf("two frames at %v", at)
		}
		m.frames[at] = string(f)
		if len(f) > 8 && uint32(f[8]) != p.CSRC[0] && b.Primary {
			m.t.Fatalf("a frame of %d under the name of %d", f[8], p.CSRC[0])
		}
		if len(f) > 8 && m.muted[uint32(f[8])] {
			m.t.Fatal("heard though muted")
		}
		if b.Primary && e.heard[[2]uint32{p.SSRC, ts}] {
			m.t.Fatalf("the frame at %d came twice", ts)
		}
		e.heard[[2]uint32{p.SSRC, ts}] = e.heard[[2]uint32{p.SSRC, ts}] || b.Primary
	}
}

func TestSwitchesLossesJoinsAndRemovalsLeaveNoGap(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			h := newHall(t)
			h.floor.policy = Policy{Audience: 5, Learn: 300 * time.Millisecond, Step: 200 * time.Millisecond}
			m := &mob{hall: h, r: rand.New(rand.NewPCG(seed, 3)), muted: map[uint32]bool{}, frames: map[[3]uint32]string{}, truthful: seed%2 == 0}
			for csrc := range uint32(4) {
				m.voices = append(m.voices, h.voice(csrc+1, 30))
			}
			for _, longest := range []Framing{Framing20, Framing60} {
				m.add(ListenerConfig{Slots: 1, Longest: longest, Class: withRED})
				m.add(ListenerConfig{Slots: 3, Longest: longest, Class: withRED})
			}
			m.stay = len(m.ears)
			for i := range 2500 {
				m.step()
				if i%7 == 0 {
					m.ears[m.r.IntN(m.stay)].l.Report(h.now, 1000, byte(m.r.IntN(200)))
				}
			}
			if h.counters.Reforms.Load() < 15 || h.counters.Resent.Load() < 30 {
				t.Errorf("only %d switches, %d resent", h.counters.Reforms.Load(), h.counters.Resent.Load())
			}
			if !m.truthful {
				return
			}
			h.now = h.now.Add(time.Second)
			h.floor.Expire(h.now)
			m.checkAll()
			for _, e := range m.ears[:m.stay] {
				missing := 0
				for at := range m.frames {
					if at[0] == uint32(e.slots) && !e.heard[[2]uint32{at[1], at[2]}] {
						missing++
					}
				}
				if missing > 0 {
					t.Errorf("%d of %d frames are missing", missing, len(m.frames))
				}
			}
		})
	}
}

func TestFlusherSendsWhatWaitsAndSleepsOtherwise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flusher := NewFlusher(time.Now)
		ctx, stop := context.WithCancel(t.Context())
		var done sync.WaitGroup
		done.Go(func() { flusher.Run(ctx) })
		defer done.Wait()
		defer stop()
		var counters Counters
		f := NewFloor(FloorConfig{Socket: testSocket(t), Counters: &counters, SSRC: 1000, Policy: Policy{Audience: 1}, Flusher: flusher})
		f.AddListener(ListenerConfig{Keys: randomKeys(AES128GCM), Class: withRED, Slots: 3, Sink: null{}})
		sp := f.AddSpeaker(1, true)
		p := Packet{SSRC: 1, Level: 30, Payload: []byte{speech, 1, 2, 3}}
		for i := range 12 * 50 {
			time.Sleep(20 * time.Millisecond)
			p.Index++
			p.Timestamp += 960
			sp.Forward(time.Now(), p, nil)
			if i%50 == 0 {
				f.Sweep(time.Now())
			}
		}
		for range 3 {
			p.Index++
			p.Timestamp += 960
			sp.Forward(time.Now(), p, nil)
		}
		p.Index++
		p.Timestamp += 960
		sp.Forward(time.Now(), p, nil)
		before := counters.Sent.Load()
		time.Sleep(80 * time.Millisecond)
		synctest.Wait()
		if got := counters.Sent.Load() - before; got != 1 {
			t.Errorf("%d packets", got)
		}
	})
}

// numbered is a frame that says which one it is.
func numbered(i uint64) []byte {
	b := append([]byte{0x78}, make([]byte, 20)...)
	binary.BigEndian.PutUint64(b[1:], i)
	return b
}

// waits says whether a frame waits to be merged.
func (h *hall) waits() bool {
	return slices.ContainsFunc(h.floor.views[0].renditions, (*rendition).pending)
}
