package media

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"sync"

	"golang.org/x/crypto/cryptobyte"

	"besedka/fanout"
)

// DTLS 1.2 records, RFC 6347 §4.1.
const (
	recordHeader     = 13
	recordCipherSpec = 20
	recordAlert      = 21
	recordHandshake  = 22

	alertFatal       = 2
	alertCloseNotify = 0
)

func recordEpoch(b []byte) uint16 { return binary.BigEndian.Uint16(b[3:]) }

// secrets gathers during a handshake what keys are made of: the master secret and
// the client random as pion/dtls logs them for debuggers, when the peer's signature and
// certificate have been checked; the server random and the SRTP profile from the
// ServerHello on the wire.
type secrets struct {
	mu           sync.Mutex
	profile      fanout.Profile
	clientRandom []byte
	serverRandom []byte
	master       []byte
}

// Write implements io.Writer for a line of the NSS key log format.
func (k *secrets) Write(b []byte) (int, error) {
	f := bytes.Fields(b)
	if len(f) != 3 || string(f[0]) != "CLIENT_RANDOM" {
		return len(b), nil
	}
	client, err1 := hex.DecodeString(string(f[1]))
	master, err2 := hex.DecodeString(string(f[2]))
	if err1 == nil && err2 == nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.clientRandom, k.master = client, master
	}
	return len(b), nil
}

// see notes the random and the SRTP profile of a ServerHello that begins a datagram of epoch 0.
func (k *secrets) see(b []byte) {
	const body = recordHeader + 12 // behind the handshake header
	if len(b) >= body+2+32 && b[0] == recordHandshake && recordEpoch(b) == 0 && b[recordHeader] == 2 {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.serverRandom = append([]byte(nil), b[body+2:body+2+32]...)
		k.profile = profileOf(b[body+2+32:])
	}
}

// profileOf reads the SRTP profile (RFC 5764 §4.1.1) out of what stands in a ServerHello
// behind its random: the session's id, cipher suite, compression, and extensions.
func profileOf(b []byte) fanout.Profile {
	const useSRTP = 14
	rest := cryptobyte.String(b)
	var id, extensions cryptobyte.String
	if !rest.ReadUint8LengthPrefixed(&id) || !rest.Skip(2+1) || !rest.ReadUint16LengthPrefixed(&extensions) {
		return 0
	}
	for !extensions.Empty() {
		var kind, profile uint16
		var data, list cryptobyte.String
		if !extensions.ReadUint16(&kind) || !extensions.ReadUint16LengthPrefixed(&data) {
			return 0
		}
		if kind == useSRTP && data.ReadUint16LengthPrefixed(&list) && list.ReadUint16(&profile) {
			return fanout.Profile(profile)
		}
	}
	return 0
}

// early is the handshake as we know it as client when our Finished is sent, or nil if
// something is missing.
//
// Waiting for the peer's Finished would cost a round trip and prove nothing more: the peer has
// signed the key exchange with the certificate of his offer, and the master secret
// depends on the whole handshake until then (RFC 7627), so that whoever has
// changed something of it does not have the keys.
func (k *secrets) early() *handshake {
	k.mu.Lock()
	defer k.mu.Unlock()
	salt := k.profile.SaltLen()
	if k.master == nil || k.serverRandom == nil {
		return nil
	}
	// RFC 5705 §4, without a context.
	seed := append(append([]byte("EXTRACTOR-dtls_srtp"), k.clientRandom...), k.serverRandom...)
	client, server, err := fanout.SplitKeys(k.profile, k.expand(seed, 2*(fanout.KeyLen+salt)))
	if err != nil {
		return nil
	}
	return &handshake{ours: client, theirs: server, farewell: k.peerKeyLocked(true)}
}

// expand is the PRF of TLS 1.2 with SHA-256 (RFC 5246 §5) over the master secret.
func (k *secrets) expand(seed []byte, n int) []byte {
	p := func(parts ...[]byte) []byte {
		h := hmac.New(sha256.New, k.master)
		for _, b := range parts {
			h.Write(b)
		}
		return h.Sum(nil)
	}
	var out []byte
	for a := p(seed); len(out) < n; a = p(a) {
		out = append(out, p(a, seed)...)
	}
	return out[:n]
}

// endsFlight says whether a datagram of ours has our Finished in it, the last of a
// handshake's flight and the first that is encrypted.
func endsFlight(b []byte) bool {
	for len(b) >= recordHeader {
		if b[0] == recordHandshake && recordEpoch(b) > 0 {
			return true
		}
		b = b[min(len(b), recordHeader+int(binary.BigEndian.Uint16(b[11:]))):]
	}
	return false
}

// recordKey opens the peer's records of epoch 1 under AES_128_GCM_SHA256 (RFC
// 5288), so that its close_notify can be told from a forged one after the
// connection object is gone. 20 bytes instead of 43 KB.
type recordKey struct {
	key [16]byte
	iv  [4]byte
}

// peerKey is the key with which the peer writes, or nil if something is missing.
func (k *secrets) peerKey(weAreClient bool) *recordKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.peerKeyLocked(weAreClient)
}

func (k *secrets) peerKeyLocked(weAreClient bool) *recordKey {
	if k.master == nil || k.serverRandom == nil {
		return nil
	}
	// key_block = PRF(master, "key expansion", server random + client random): RFC 5246 §6.3.
	blockOf := k.expand(append(append([]byte("key expansion"), k.serverRandom...), k.clientRandom...), 40)
	// client key, server key, client IV, server IV
	var out recordKey
	if weAreClient {
		copy(out.key[:], blockOf[16:32])
		copy(out.iv[:], blockOf[36:40])
	} else {
		copy(out.key[:], blockOf[:16])
		copy(out.iv[:], blockOf[32:36])
	}
	return &out
}

// alert opens an encrypted alert record.
func (k *recordKey) alert(b []byte) (level, description byte, ok bool) {
	const explicit, tag, content = 8, 16, 2
	if k == nil || len(b) < recordHeader+explicit+content+tag {
		return 0, 0, false
	}
	n := int(binary.BigEndian.Uint16(b[11:]))
	if n != explicit+content+tag || len(b) < recordHeader+n {
		return 0, 0, false
	}
	block, err := aes.NewCipher(k.key[:])
	if err != nil {
		return 0, 0, false
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return 0, 0, false
	}
	nonce := append(append([]byte(nil), k.iv[:]...), b[recordHeader:recordHeader+explicit]...)
	var aad [13]byte // epoch and sequence number, type, version, length: RFC 5246 §6.2.3.3
	copy(aad[:], b[3:11])
	copy(aad[8:], b[:3])
	binary.BigEndian.PutUint16(aad[11:], content)
	plain, err := aead.Open(nil, nonce, b[recordHeader+explicit:recordHeader+n], aad[:])
	if err != nil || len(plain) != content {
		return 0, 0, false
	}
	return plain[0], plain[1], true
}
