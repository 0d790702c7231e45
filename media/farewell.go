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

// secrets gathers during a handshake what the peer's record key is made of:
// the master secret and the client random as pion/dtls logs them for
// debuggers, the server random from the ServerHello on the wire.
type secrets struct {
	mu           sync.Mutex
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

// see notes the random of a ServerHello that begins a datagram of epoch 0.
func (k *secrets) see(b []byte) {
	const body = recordHeader + 12 // behind the handshake header
	if len(b) >= body+2+32 && b[0] == recordHandshake && recordEpoch(b) == 0 && b[recordHeader] == 2 {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.serverRandom = append([]byte(nil), b[body+2:body+2+32]...)
	}
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
	if k.master == nil || k.serverRandom == nil {
		return nil
	}
	// key_block = PRF(master, "key expansion", server random + client random): RFC 5246 §6.3.
	seed := append(append([]byte("key expansion"), k.serverRandom...), k.clientRandom...)
	p := func(parts ...[]byte) []byte {
		h := hmac.New(sha256.New, k.master)
		for _, b := range parts {
			h.Write(b)
		}
		return h.Sum(nil)
	}
	var blockOf []byte
	for a := p(seed); len(blockOf) < 40; a = p(a) {
		blockOf = append(blockOf, p(a, seed)...)
	}
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
