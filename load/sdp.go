package load

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// levelID is the header extension number that we offer for RFC 6464.
const levelID = 1

// opusPT is the payload type that we offer.
const opusPT = 111

// offer writes the SDP of a listener with n audio m-lines or of a speaker
// (sendonly, one). It has no candidates: the server learns our address from
// the first check, as it must for anybody behind a NAT.
func offer(c *credentials, id *identity, n int, direction string) []byte {
	var b strings.Builder
	mids := make([]string, n)
	for i := range mids {
		mids[i] = strconv.Itoa(i)
	}
	fmt.Fprintf(&b, "v=0\r\no=- %d 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE %s\r\na=msid-semantic: WMS *\r\n", c.tie>>1, strings.Join(mids, " "))
	for _, mid := range mids {
		fmt.Fprintf(&b, "m=audio 9 UDP/TLS/RTP/SAVPF %d\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=fingerprint:sha-256 %s\r\na=setup:actpass\r\na=mid:%s\r\n",
			opusPT, c.ufrag, c.pwd, id.fingerprint, mid)
		fmt.Fprintf(&b, "a=extmap:%d urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=%s\r\na=rtcp-mux\r\na=rtpmap:%d opus/48000/2\r\na=fmtp:%d minptime=10;useinbandfec=1\r\n", levelID, direction, opusPT, opusPT)
		if direction == "sendonly" {
			fmt.Fprintf(&b, "a=msid:load voice\r\na=ssrc:%d cname:load\r\n", ssrcOf(c))
		}
	}
	return []byte(b.String())
}

// ssrcOf is the SSRC under which a speaker sends.
func ssrcOf(c *credentials) uint32 { return uint32(c.tie>>32) | 1 }

// remote is what we need of an answer.
type remote struct {
	ufrag, pwd, fingerprint string
	weAreActive             bool // the DTLS client is we
	candidate               netip.AddrPort
	payloadType             uint8
	levelID                 uint8 // 0: not agreed
}

// parseAnswer reads an answer. Its first usable UDP host candidate is taken.
func parseAnswer(sdp []byte) (remote, error) {
	r := remote{payloadType: opusPT}
	for _, line := range strings.Split(string(sdp), "\n") {
		key, value, _ := strings.Cut(strings.TrimRight(line, "\r"), ":")
		switch key {
		case "a=ice-ufrag":
			r.ufrag = value
		case "a=ice-pwd":
			r.pwd = value
		case "a=fingerprint":
			if hash, hex, _ := strings.Cut(value, " "); strings.EqualFold(hash, "sha-256") {
				r.fingerprint = hex
			}
		case "a=setup":
			r.weAreActive = value == "passive"
		case "a=candidate":
			if a, ok := udpCandidate(value); ok && !r.candidate.IsValid() {
				r.candidate = a
			}
		case "a=rtpmap":
			if pt, codec, _ := strings.Cut(value, " "); strings.HasPrefix(strings.ToLower(codec), "opus/48000") {
				if n, err := strconv.ParseUint(pt, 10, 7); err == nil {
					r.payloadType = uint8(n)
				}
			}
		case "a=extmap":
			if id, uri, _ := strings.Cut(value, " "); strings.HasPrefix(uri, "urn:ietf:params:rtp-hdrext:ssrc-audio-level") {
				id, _, _ = strings.Cut(id, "/")
				if n, err := strconv.ParseUint(id, 10, 4); err == nil {
					r.levelID = uint8(n)
				}
			}
		}
	}
	switch {
	case r.ufrag == "" || r.pwd == "":
		return r, errors.New("answer without ICE credentials")
	case r.fingerprint == "":
		return r, errors.New("answer without a SHA-256 fingerprint")
	case !r.candidate.IsValid():
		return r, errors.New("answer without a UDP candidate")
	}
	return r, nil
}

// udpCandidate reads "foundation component transport priority address port typ …" (RFC 8839 §5.1).
func udpCandidate(v string) (netip.AddrPort, bool) {
	f := strings.Fields(v)
	if len(f) < 8 || f[1] != "1" || !strings.EqualFold(f[2], "udp") {
		return netip.AddrPort{}, false
	}
	addr, err := netip.ParseAddr(f[4])
	port, err2 := strconv.ParseUint(f[5], 10, 16)
	if err != nil || err2 != nil || port == 0 {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr, uint16(port)), true
}
