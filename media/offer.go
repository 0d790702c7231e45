package media

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"besedka/fanout"

	"github.com/pion/sdp/v3"
)

// Bounds of an offer.
const (
	// MaxOffer is the largest offer that is read, in bytes.
	MaxOffer      = 64 << 10
	maxMedia      = 8
	maxLines      = 2000
	maxWords      = 5000 // what is between spaces costs the parser memory
	maxFormats    = 128  // of an m-line: payload types have seven bits
	maxIdentifier = 64   // of a mid
	maxCredential = 256  // RFC 8445 §5.3
)

const levelURI = "urn:ietf:params:rtp-hdrext:ssrc-audio-level" // RFC 6464 §4

// offer is what was understood of an SDP offer.
type offer struct {
	ufrag, password string
	fingerprint     [32]byte
	active          bool // we are to be the DTLS client
	lines           []mediaLine
	reducedSize     bool
}

// mediaLine is one m-line of an offer.
type mediaLine struct {
	mid         string
	sends       bool // the peer would send to us
	receives    bool // the peer would receive from us
	payloadType uint8
	redType     uint8 // of RED over that Opus; 0 if it is not offered
	levelID     uint8
	longest     fanout.Framing // the peer plays no longer packets
}

// parseOffer reads an offer. What it does not take is an error; it never
// panics, whatever the bytes.
func parseOffer(raw []byte) (o *offer, err error) {
	defer func() {
		if r := recover(); r != nil { // the parser is not ours
			o, err = nil, fmt.Errorf("sdp parser: %v", r)
		}
	}()
	switch {
	case len(raw) == 0:
		return nil, errors.New("empty")
	case len(raw) > MaxOffer:
		return nil, fmt.Errorf("longer than %d bytes", MaxOffer)
	case bytes.Count(raw, []byte("\n")) > maxLines:
		return nil, fmt.Errorf("more than %d lines", maxLines)
	case bytes.Count(raw, []byte(" ")) > maxWords:
		return nil, fmt.Errorf("more than %d words", maxWords)
	case bytes.Count(raw, []byte("\nm=")) > maxMedia:
		return nil, fmt.Errorf("more than %d m-lines", maxMedia)
	}
	var d sdp.SessionDescription
	if err := d.Unmarshal(raw); err != nil {
		return nil, err
	}
	if len(d.MediaDescriptions) == 0 || len(d.MediaDescriptions) > maxMedia {
		return nil, fmt.Errorf("%d m-lines", len(d.MediaDescriptions))
	}
	o = &offer{}
	for _, m := range d.MediaDescriptions {
		line, err := parseLine(&d, m)
		if err != nil {
			return nil, err
		}
		o.lines = append(o.lines, line)
	}
	if err := o.bundled(&d); err != nil {
		return nil, err
	}
	return o, o.transport(&d, d.MediaDescriptions[0])
}

// parseLine reads an m-line: Opus over DTLS-SRTP with RTP and RTCP on one port.
func parseLine(d *sdp.SessionDescription, m *sdp.MediaDescription) (l mediaLine, err error) {
	if m.MediaName.Media != "audio" {
		return l, fmt.Errorf("m=%.16s: only audio is spoken here", m.MediaName.Media)
	}
	if p := strings.Join(m.MediaName.Protos, "/"); p != "UDP/TLS/RTP/SAVPF" && p != "TCP/TLS/RTP/SAVPF" {
		return l, fmt.Errorf("protocol %.32s", p)
	}
	if n := len(m.MediaName.Formats); n > maxFormats {
		return l, fmt.Errorf("%d payload types", n)
	}
	if _, ok := m.Attribute("rtcp-mux"); !ok {
		return l, errors.New("no rtcp-mux")
	}
	if l.mid, _ = m.Attribute("mid"); !isToken(l.mid, maxIdentifier) {
		return l, errors.New("no mid")
	}
	l.sends, l.receives = direction(d, m)
	if l.payloadType, err = opus(m); err != nil {
		return l, err
	}
	l.redType = red(m, l.payloadType)
	l.levelID = levelID(m)
	l.longest = longest(m)
	return l, nil
}

// direction reads the direction attribute of an m-line; sendrecv is the default (RFC 8866 §6.7).
func direction(d *sdp.SessionDescription, m *sdp.MediaDescription) (sends, receives bool) {
	for _, attributes := range [][]sdp.Attribute{m.Attributes, d.Attributes} {
		for _, a := range attributes {
			switch a.Key {
			case "sendrecv":
				return true, true
			case "sendonly":
				return true, false
			case "recvonly":
				return false, true
			case "inactive":
				return false, false
			}
		}
	}
	return true, true
}

// opus finds the payload type of opus/48000/2 (RFC 7587 §7).
func opus(m *sdp.MediaDescription) (uint8, error) {
	for _, a := range m.Attributes {
		if a.Key != "rtpmap" {
			continue
		}
		number, name, _ := strings.Cut(a.Value, " ")
		if !strings.EqualFold(strings.TrimSpace(name), "opus/48000/2") {
			continue
		}
		pt, err := strconv.ParseUint(number, 10, 7)
		// 64–95 cannot be told from RTCP (RFC 5761 §4), below 35 are static types.
		if err != nil || pt < 35 || pt >= 64 && pt <= 95 || !contains(m.MediaName.Formats, number) {
			continue
		}
		return uint8(pt), nil
	}
	return 0, errors.New("no Opus")
}

// red finds the payload type of RED whose blocks are all of the type opus (RFC 2198
// §5: "opus/opus"); 0 if it is not offered.
func red(m *sdp.MediaDescription, opus uint8) uint8 {
	mapped := mappedTo(m, "red/48000/2")
	for _, a := range m.Attributes {
		number, format, _ := strings.Cut(a.Value, " ")
		if a.Key != "fmtp" || !contains(m.MediaName.Formats, number) || !strings.Contains(format, "/") {
			continue
		}
		pt, err := strconv.ParseUint(number, 10, 7)
		if err != nil || pt < 35 || pt >= 64 && pt <= 95 || !mapped[pt] {
			continue
		}
		if strings.Trim(strings.ReplaceAll(format, strconv.Itoa(int(opus)), ""), "/ ") == "" {
			return uint8(pt)
		}
	}
	return 0
}

// mappedTo are the payload types that the m-line maps to the encoding name.
func mappedTo(m *sdp.MediaDescription, name string) (types [maxFormats]bool) {
	for _, a := range m.Attributes {
		if a.Key != "rtpmap" {
			continue
		}
		number, have, _ := strings.Cut(a.Value, " ")
		if pt, err := strconv.ParseUint(number, 10, 7); err == nil && strings.EqualFold(strings.TrimSpace(have), name) {
			types[pt] = true
		}
	}
	return types
}

// longest is the framing that fits what the m-line says of packet times (RFC 8866
// §6.4, §6.5): whoever names one is not sent longer packets, unless they are 20 ms.
func longest(m *sdp.MediaDescription) fanout.Framing {
	f := fanout.Framing120
	for _, a := range m.Attributes {
		if a.Key != "ptime" && a.Key != "maxptime" {
			continue
		}
		if ms, err := strconv.ParseFloat(a.Value, 64); err == nil && ms > 0 {
			f = fanout.Framing(min(float64(f), max(1, ms/20)))
		}
	}
	return f
}

func contains(list []string, x string) bool {
	for _, s := range list {
		if s == x {
			return true
		}
	}
	return false
}

// levelID finds the id under which the audio level is offered; 0 if it is not,
// or not with a one-byte header (RFC 8285 §4.2).
func levelID(m *sdp.MediaDescription) uint8 {
	for _, a := range m.Attributes {
		if a.Key != "extmap" {
			continue
		}
		f := strings.Fields(a.Value)
		if len(f) < 2 || f[1] != levelURI {
			continue
		}
		number, _, _ := strings.Cut(f[0], "/")
		if id, err := strconv.ParseUint(number, 10, 8); err == nil && id >= 1 && id <= 14 {
			return uint8(id)
		}
	}
	return 0
}

// bundled checks that all m-lines share one transport (RFC 9143).
func (o *offer) bundled(d *sdp.SessionDescription) error {
	for _, a := range d.Attributes {
		if a.Key != "group" {
			continue
		}
		f := strings.Fields(a.Value)
		if len(f) == 0 || f[0] != "BUNDLE" {
			continue
		}
		seen := make(map[string]bool, len(o.lines))
		for _, l := range o.lines {
			if !contains(f[1:], l.mid) || seen[l.mid] {
				return errors.New("not one BUNDLE of different mids")
			}
			seen[l.mid] = true
		}
		return nil
	}
	return errors.New("no BUNDLE")
}

// transport reads the ICE and DTLS parameters of the first m-line, which are
// those of the bundle.
func (o *offer) transport(d *sdp.SessionDescription, m *sdp.MediaDescription) error {
	attribute := func(key string) string {
		if v, ok := m.Attribute(key); ok {
			return v
		}
		v, _ := d.Attribute(key)
		return v
	}
	o.ufrag, o.password = attribute("ice-ufrag"), attribute("ice-pwd")
	if len(o.ufrag) < 4 || !isICE(o.ufrag) || len(o.password) < 22 || !isICE(o.password) {
		return errors.New("no ICE credentials")
	}
	switch attribute("setup") { // RFC 8842 §5.2
	case "passive":
		o.active = true
	case "actpass", "active":
		// Given the choice we are the DTLS server, because the server chooses the
		// SRTP profile: Chromium as server prefers AES-CM with HMAC-SHA1 to GCM.
	default:
		return errors.New("no DTLS role")
	}
	_, o.reducedSize = m.Attribute("rtcp-rsize")
	for _, a := range append(append([]sdp.Attribute(nil), m.Attributes...), d.Attributes...) {
		if a.Key != "fingerprint" {
			continue
		}
		name, value, _ := strings.Cut(a.Value, " ")
		sum, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(value), ":", ""))
		if strings.EqualFold(name, "sha-256") && err == nil && len(sum) == len(o.fingerprint) {
			copy(o.fingerprint[:], sum)
			return nil
		}
	}
	return errors.New("no sha-256 fingerprint")
}

// isToken says whether s can be put into an answer as it is (RFC 8866 §9 token).
func isToken(s string, limit int) bool {
	if s == "" || len(s) > limit {
		return false
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]`, c) >= 0 {
			return false
		}
	}
	return true
}

// isICE says whether s consists of ice-char (RFC 8839 §5.4).
func isICE(s string) bool {
	if len(s) > maxCredential {
		return false
	}
	for _, c := range []byte(s) {
		if !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '+' || c == '/') {
			return false
		}
	}
	return true
}

// agree decides which m-lines are used. It returns the format and, for each
// m-line, the slot it carries or −1 for inactive.
func (o *offer) agree(dir Direction) (format, []int, error) {
	use := make([]int, len(o.lines))
	var f format
	fitting := 0
	for i, l := range o.lines {
		use[i] = -1
		if dir == Down && !l.receives || dir == Up && !l.sends {
			continue
		}
		if fitting++; f.slots == maxSlots {
			continue
		}
		if f.slots > 0 && (l.payloadType != f.payloadType || l.redType != f.redType || l.levelID != f.levelID) {
			continue // all streams of a session are of one class
		}
		f.payloadType, f.redType, f.levelID = l.payloadType, l.redType, l.levelID
		if f.slots == 0 || l.longest < f.longest {
			f.longest = l.longest
		}
		use[i] = f.slots
		f.slots++
	}
	switch {
	case dir == Down && fitting == 0:
		return f, nil, errors.New("no audio to receive")
	case dir == Up && fitting != 1:
		return f, nil, errors.New("not exactly one audio to send")
	}
	return f, use, nil
}
