package load

import (
	"encoding/binary"

	"github.com/pion/stun/v4"
)

// credentials are the two sides of an ICE pair (RFC 8445 §5.3).
type credentials struct {
	ufrag, pwd             string
	remoteUfrag, remotePwd string
	tie                    uint64
}

// check is a Binding request of the controlling agent that nominates at once
// (RFC 8445 §7.2.2, aggressive towards the one candidate there is). Every check
// has its own transaction id, also those that only renew consent (RFC 7675 §5.1).
func (c *credentials) check() ([]byte, error) {
	var tie [8]byte
	binary.BigEndian.PutUint64(tie[:], c.tie)
	m, err := stun.Build(
		stun.TransactionID, stun.BindingRequest,
		stun.NewUsername(c.remoteUfrag+":"+c.ufrag),
		stun.RawAttribute{Type: stun.AttrPriority, Value: []byte{0x6e, 0, 0x1e, 0xff}},
		stun.RawAttribute{Type: stun.AttrICEControlling, Value: tie[:]},
		stun.RawAttribute{Type: stun.AttrUseCandidate},
		stun.NewShortTermIntegrity(c.remotePwd),
		stun.Fingerprint,
	)
	if err != nil {
		return nil, err
	}
	return m.Raw, nil
}

// answered says whether the datagram is a genuine success response to a check.
func (c *credentials) answered(b []byte) bool {
	m := stun.Message{Raw: b}
	return m.Decode() == nil && m.Type == stun.BindingSuccess && stun.NewShortTermIntegrity(c.remotePwd).Check(&m) == nil
}

// answer makes the response to a check of a full agent; nil when it is none.
// The peer needs no more than the transaction id and our integrity: the mapped
// address is the one of the only path.
func (c *credentials) answer(b []byte, mapped stun.XORMappedAddress) []byte {
	m := stun.Message{Raw: b}
	if m.Decode() != nil || m.Type != stun.BindingRequest || stun.NewShortTermIntegrity(c.pwd).Check(&m) != nil {
		return nil
	}
	out, err := stun.Build(stun.NewTransactionIDSetter(m.TransactionID), stun.BindingSuccess, &mapped, stun.NewShortTermIntegrity(c.pwd), stun.Fingerprint)
	if err != nil {
		return nil
	}
	return out.Raw
}
