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

// secrets gathers during a handshake what the key of a farewell is made of: the master secret
// and the client random as pion/dtls logs them for debuggers, when the peer's signature and
// certificate have been checked; the server random from the ServerHello on the wire. They
// are in memory only, and go with the handshake.
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

const randomLen = 32 // four bytes of time and 28 random ones, RFC 5246 §7.4.1.2

// see notes the random of the first ServerHello that begins a datagram of the server's: pion/dtls
// takes the first one too, and whoever forges one behind it changes nothing.
func (k *secrets) see(b []byte) {
	const body = recordHeader + messageHeader
	if len(b) < body+2+randomLen || !isMessage(b, typeServerHello) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.serverRandom == nil {
		k.serverRandom = bytes.Clone(b[body+2 : body+2+randomLen])
	}
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

// peerKey is the key with which the peer writes, or nil if something is missing: also if
// he is the server and the handshake went on with another hello than the one seen, whose random
// ends otherwise.
func (k *secrets) peerKey(weAreClient bool, peersRandom [randomLen - 4]byte) *recordKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.master == nil || k.serverRandom == nil || weAreClient && !bytes.Equal(k.serverRandom[4:], peersRandom[:]) {
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
