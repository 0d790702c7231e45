package fanout

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"hash"
)

// Profile is an SRTP protection profile, by its number in the DTLS-SRTP registry.
type Profile uint16

// The profiles that are spoken.
const (
	AES128CMSHA180 Profile = 0x0001 // AES_CM_128_HMAC_SHA1_80, RFC 5764 §4.1.2
	AES128GCM      Profile = 0x0007 // AEAD_AES_128_GCM, RFC 7714 §14.2
)

// ErrProfile is returned for a profile or a key length that is not spoken.
var ErrProfile = errors.New("srtp: profile or key length not supported")

// KeyLen and SaltLen are the lengths of the master key and the master salt.
const KeyLen = 16

// SaltLen is the length of the profile's master salt.
func (p Profile) SaltLen() int {
	if p == AES128GCM {
		return 12 // RFC 7714 §12
	}
	return 14 // RFC 3711 §8.2
}

// Keys are the master key and salt of one direction.
type Keys struct {
	Profile Profile
	Key     [KeyLen]byte
	Salt    [14]byte // the first SaltLen bytes count
}

// SplitKeys cuts DTLS-SRTP keying material (RFC 5764 §4.2) into the keys with
// which the DTLS client writes and those with which the server writes.
func SplitKeys(p Profile, material []byte) (client, server Keys, err error) {
	n := p.SaltLen()
	if p != AES128GCM && p != AES128CMSHA180 || len(material) != 2*(KeyLen+n) {
		return Keys{}, Keys{}, ErrProfile
	}
	client.Profile, server.Profile = p, p
	copy(client.Key[:], material)
	copy(server.Key[:], material[KeyLen:])
	copy(client.Salt[:n], material[2*KeyLen:])
	copy(server.Salt[:n], material[2*KeyLen+n:])
	return client, server, nil
}

// Labels of RFC 3711 §4.3.2.
const (
	labelRTPKey   = 0
	labelRTPAuth  = 1
	labelRTPSalt  = 2
	labelRTCPKey  = 3
	labelRTCPAuth = 4
	labelRTCPSalt = 5
)

// derive is the AES-CM key derivation of RFC 3711 §4.3.3 with a key derivation
// rate of zero; RFC 7714 §11 uses the same with its salt padded on the right.
func (k *Keys) derive(label byte, out []byte) {
	var iv [16]byte
	copy(iv[:], k.Salt[:k.Profile.SaltLen()])
	iv[7] ^= label
	clear(out)
	cipher.NewCTR(block(k.Key[:]), iv[:]).XORKeyStream(out, out)
}

// block is AES with a 16-byte key.
func block(key []byte) cipher.Block {
	b, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the length is a constant of ours
	}
	return b
}

func newGCM(key []byte) cipher.AEAD {
	a, err := cipher.NewGCM(block(key))
	if err != nil {
		panic(err) // AES blocks are 16 bytes
	}
	return a
}

// gcmIV writes the nonce of RFC 7714 §8.1: zeros, SSRC, ROC and sequence number, masked by the salt.
func gcmIV(iv *[12]byte, salt *[12]byte, ssrc, roc uint32, seq uint16) {
	*iv = *salt
	binary.BigEndian.PutUint32(iv[2:], binary.BigEndian.Uint32(iv[2:])^ssrc)
	binary.BigEndian.PutUint32(iv[6:], binary.BigEndian.Uint32(iv[6:])^roc)
	binary.BigEndian.PutUint16(iv[10:], binary.BigEndian.Uint16(iv[10:])^seq)
}

// gcmControlIV is the nonce for SRTCP, RFC 7714 §9.1.
func gcmControlIV(iv *[12]byte, salt *[12]byte, ssrc, index uint32) {
	*iv = *salt
	binary.BigEndian.PutUint32(iv[2:], binary.BigEndian.Uint32(iv[2:])^ssrc)
	binary.BigEndian.PutUint32(iv[8:], binary.BigEndian.Uint32(iv[8:])^index)
}

const (
	gcmTag  = 16
	sha1Tag = 10
)

// counterMode is AES_CM_128_HMAC_SHA1_80 (RFC 3711 §4.1.1, §4.2.1) with its
// scratch space, so that nothing is allocated for a packet. Not for concurrent use.
type counterMode struct {
	block    cipher.Block
	mac      hash.Hash
	salt     [14]byte
	iv, pad  [16]byte
	sum      [sha1.Size]byte
	scratch4 [4]byte
}

func newCounterMode(k *Keys, key, auth, salt byte) *counterMode {
	var ck [KeyLen]byte
	var ak [20]byte
	c := &counterMode{}
	k.derive(key, ck[:])
	k.derive(auth, ak[:])
	k.derive(salt, c.salt[:])
	c.block = block(ck[:])
	c.mac = hmac.New(sha1.New, ak[:])
	return c
}

// xor applies the key stream for the source and packet index to b in place.
func (c *counterMode) xor(b []byte, ssrc uint32, index uint64) {
	clear(c.iv[:])
	copy(c.iv[:], c.salt[:])
	binary.BigEndian.PutUint32(c.iv[4:], binary.BigEndian.Uint32(c.iv[4:])^ssrc)
	for i := range 6 {
		c.iv[8+i] ^= byte(index >> (40 - 8*i))
	}
	for n := uint16(0); len(b) > 0; n++ {
		binary.BigEndian.PutUint16(c.iv[14:], n)
		c.block.Encrypt(c.pad[:], c.iv[:])
		if len(b) >= 16 {
			lo := binary.LittleEndian.Uint64(b) ^ binary.LittleEndian.Uint64(c.pad[:])
			hi := binary.LittleEndian.Uint64(b[8:]) ^ binary.LittleEndian.Uint64(c.pad[8:])
			binary.LittleEndian.PutUint64(b, lo)
			binary.LittleEndian.PutUint64(b[8:], hi)
			b = b[16:]
			continue
		}
		for i := range b {
			b[i] ^= c.pad[i]
		}
		return
	}
}

// tag is the authentication tag over b and the four bytes of word. It is valid until the next call.
func (c *counterMode) tag(b []byte, word uint32, withWord bool) []byte {
	c.mac.Reset()
	c.mac.Write(b)
	if withWord {
		binary.BigEndian.PutUint32(c.scratch4[:], word)
		c.mac.Write(c.scratch4[:])
	}
	return c.mac.Sum(c.sum[:0])[:sha1Tag]
}
