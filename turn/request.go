package turn

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"github.com/pion/stun/v4"
)

// Values of attributes (RFC 8656 section 18).
const (
	transportUDP = 17
	familyIPv4   = 1
	familyIPv6   = 2
	maxPeers     = 16 // addresses in one CreatePermission
)

// caller is who has proved to know the password of a username.
type caller struct {
	pass
	username string
	key      stun.MessageIntegrity
}

// address is an XOR address attribute.
type address struct {
	attribute stun.AttrType
	value     netip.AddrPort
}

// AddTo implements stun.Setter.
func (a address) AddTo(m *stun.Message) error {
	x := stun.XORMappedAddress{IP: a.value.Addr().AsSlice(), Port: int(a.value.Port())}
	return x.AddToAs(m, a.attribute)
}

// request takes a request and answers it. An error ends the connection.
func (c *conn) request(m *stun.Message) error {
	if m.Type.Method == stun.MethodBinding { // RFC 8489 section 7.3; it needs no credential
		if list := unknown(m); len(list) > 0 {
			return c.refuse(m, nil, stun.CodeUnknownAttribute, list)
		}
		return c.answer(m, stun.ClassSuccessResponse, nil, address{stun.AttrXORMappedAddress, c.from})
	}
	var handle func(*stun.Message, *caller) error
	switch m.Type.Method {
	case stun.MethodAllocate:
		handle = c.allocate
	case stun.MethodRefresh:
		handle = c.refresh
	case stun.MethodCreatePermission:
		handle = c.createPermission
	case stun.MethodChannelBind:
		handle = c.channelBind
	default: // Connect and ConnectionBind (RFC 6062) among them: there are no TCP allocations
		return c.refuse(m, nil, stun.CodeBadRequest)
	}
	who, err := c.authenticate(m)
	if who == nil {
		return err
	}
	if list := unknown(m); len(list) > 0 {
		return c.refuse(m, who.key, stun.CodeUnknownAttribute, list)
	}
	return handle(m, who)
}

// authenticate checks the long-term credential (RFC 8489 section 9.2.4). Who is
// nil when the request has been refused.
func (c *conn) authenticate(m *stun.Message) (*caller, error) {
	nonce, err := c.freshNonce()
	if err != nil {
		return nil, err
	}
	challenge := []stun.Setter{stun.NewRealm(Realm), stun.NewNonce(nonce)}
	if !m.Contains(stun.AttrMessageIntegrity) {
		return nil, c.refuse(m, nil, stun.CodeUnauthorized, challenge...)
	}
	var username stun.Username
	var realm stun.Realm
	var given stun.Nonce
	if err := m.Parse(&username, &realm, &given); err != nil {
		return nil, c.refuse(m, nil, stun.CodeBadRequest)
	}
	if string(given) != nonce {
		return nil, c.refuse(m, nil, stun.CodeStaleNonce, challenge...)
	}
	p, key, ok := c.server.lookUp(username.String())
	if !ok || stun.MessageIntegrity(key).Check(m) != nil {
		c.server.count.refusedAuth.Add(1)
		return nil, c.refuse(m, nil, stun.CodeUnauthorized, challenge...)
	}
	who := &caller{pass: p, username: username.String(), key: key}
	if a := c.allocation; a != nil && a.username != who.username { // RFC 8656 section 5
		return nil, c.refuse(m, who.key, stun.CodeWrongCredentials)
	}
	return who, nil
}

// allocate makes an allocation (RFC 8656 section 7.2).
func (c *conn) allocate(m *stun.Message, who *caller) error {
	s := c.server
	to, code := c.wanted(m)
	switch {
	case c.allocation != nil:
		code = stun.CodeAllocMismatch
	case !s.cfg.Now().Before(who.expires):
		s.count.refusedAuth.Add(1)
		code = stun.CodeUnauthorized
	}
	if code != 0 {
		return c.refuse(m, who.key, code, c.because(code)...)
	}
	a, code := s.reserve(c, who, to, m.Contains(stun.AttrEvenPort))
	if code != 0 {
		s.count.refusedQuota.Add(1)
		return c.refuse(m, who.key, code, c.because(code)...)
	}
	c.allocation = a
	s.count.opened.Add(1)
	return c.answer(m, stun.ClassSuccessResponse, who.key, address{stun.AttrXORRelayedAddress, a.relayed()},
		lifetime(allocationLife.Seconds()), address{stun.AttrXORMappedAddress, c.from})
}

// because gives what an error response must carry besides its code.
func (c *conn) because(code stun.ErrorCode) []stun.Setter {
	switch code {
	case stun.CodeUnauthorized:
		return []stun.Setter{stun.NewRealm(Realm), stun.NewNonce(c.nonce)}
	case stun.CodeUnknownAttribute:
		return []stun.Setter{stun.UnknownAttributes{stun.AttrDontFragment}}
	}
	return nil
}

// wanted reads what kind of allocation is asked for: UDP, of a family that the
// media socket has. Ports are not reserved, and fragments are not looked after.
func (c *conn) wanted(m *stun.Message) (peer, stun.ErrorCode) {
	transport, err := m.Get(stun.AttrRequestedTransport)
	switch {
	case err != nil || len(transport) != 4:
		return peer{}, stun.CodeBadRequest
	case transport[0] != transportUDP:
		return peer{}, stun.CodeUnsupportedTransProto
	case m.Contains(stun.AttrDontFragment):
		return peer{}, stun.CodeUnknownAttribute
	case m.Contains(stun.AttrReservationToken), reservesPort(m):
		return peer{}, stun.CodeInsufficientCapacity
	}
	family, err := m.Get(stun.AttrRequestedAddressFamily)
	if err != nil {
		return c.server.peers[0], 0
	}
	if len(family) != 4 {
		return peer{}, stun.CodeBadRequest
	}
	for _, p := range c.server.peers {
		if p.told.Addr().Is4() && family[0] == familyIPv4 || p.told.Addr().Is6() && family[0] == familyIPv6 {
			return p, 0
		}
	}
	return peer{}, stun.CodeAddrFamilyNotSupported
}

// reservesPort says whether an EVEN-PORT asks for the next port too (RFC 8656 section 18.5).
func reservesPort(m *stun.Message) bool {
	v, err := m.Get(stun.AttrEvenPort)
	return err == nil && (len(v) != 1 || v[0]&0x80 != 0)
}

// refresh prolongs or ends the allocation (RFC 8656 section 8.2).
func (c *conn) refresh(m *stun.Message, who *caller) error {
	if c.allocation == nil {
		return c.refuse(m, who.key, stun.CodeAllocMismatch)
	}
	want, err := m.Get(stun.AttrLifetime)
	if err == nil && len(want) != 4 {
		return c.refuse(m, who.key, stun.CodeBadRequest)
	}
	if family, err := m.Get(stun.AttrRequestedAddressFamily); err == nil && !c.isFamily(family) {
		return c.refuse(m, who.key, stun.CodePeerAddrFamilyMismatch)
	}
	if err == nil && binary.BigEndian.Uint32(want) == 0 {
		c.end()
		return c.answer(m, stun.ClassSuccessResponse, who.key, lifetime(0))
	}
	c.allocation.refresh(c.server.cfg.Now())
	return c.answer(m, stun.ClassSuccessResponse, who.key, lifetime(allocationLife.Seconds()))
}

func (c *conn) isFamily(value []byte) bool {
	is4 := c.allocation.peer.told.Addr().Is4()
	return len(value) == 4 && (is4 && value[0] == familyIPv4 || !is4 && value[0] == familyIPv6)
}

// createPermission permits the media socket's address and no other (RFC 8656
// section 10.2). Permissions are for addresses, not ports; the port is checked
// where packets are sent.
func (c *conn) createPermission(m *stun.Message, who *caller) error {
	a := c.allocation
	if a == nil {
		return c.refuse(m, who.key, stun.CodeAllocMismatch)
	}
	peers, malformed := 0, false
	code := stun.ErrorCode(0)
	_ = m.ForEach(stun.AttrXORPeerAddress, func(m *stun.Message) error { // the function returns no error
		to, ok := peerAddress(m)
		malformed = malformed || !ok
		if peers++; ok && code == 0 && to.Addr() != a.peer.told.Addr() {
			code = c.forbidden(to)
		}
		return nil
	})
	switch {
	case malformed || peers == 0 || peers > maxPeers:
		return c.refuse(m, who.key, stun.CodeBadRequest)
	case code != 0:
		return c.refuse(m, who.key, code)
	}
	a.permit(c.server.cfg.Now())
	return c.answer(m, stun.ClassSuccessResponse, who.key)
}

// channelBind binds a channel to the media socket (RFC 8656 section 12.2).
func (c *conn) channelBind(m *stun.Message, who *caller) error {
	a := c.allocation
	if a == nil {
		return c.refuse(m, who.key, stun.CodeAllocMismatch)
	}
	number, err := m.Get(stun.AttrChannelNumber)
	to, ok := peerAddress(m)
	if err != nil || len(number) != 4 || number[0] < channelFirst || number[0] > channelLast || !ok {
		return c.refuse(m, who.key, stun.CodeBadRequest)
	}
	if to != a.peer.told {
		return c.refuse(m, who.key, c.forbidden(to))
	}
	if !a.bind(binary.BigEndian.Uint16(number), c.server.cfg.Now()) {
		return c.refuse(m, who.key, stun.CodeBadRequest)
	}
	return c.answer(m, stun.ClassSuccessResponse, who.key)
}

// forbidden says why a peer is refused: the media socket in the other address
// family does not fit the allocation, everything else is forbidden.
func (c *conn) forbidden(to netip.AddrPort) stun.ErrorCode {
	c.server.count.refusedPeers.Add(1)
	for _, p := range c.server.peers {
		if to == p.told && to != c.allocation.peer.told {
			return stun.CodePeerAddrFamilyMismatch
		}
	}
	return stun.CodeForbidden
}

// end closes the allocation that the client gives back.
func (c *conn) end() {
	c.server.release(c)
	c.setup = time.Now().Add(setupFor)
}

// answer sends a response, signed where key is set (RFC 8489 section 9.2.4).
func (c *conn) answer(m *stun.Message, class stun.MessageClass, key stun.MessageIntegrity, attributes ...stun.Setter) error {
	all := append([]stun.Setter{stun.NewTransactionIDSetter(m.TransactionID), stun.NewType(m.Type.Method, class)}, attributes...)
	if key != nil {
		all = append(all, key)
	}
	out, err := stun.Build(append(all, stun.Fingerprint)...)
	if err != nil {
		return err
	}
	return c.write(out.Raw)
}

var errFailures = errors.New("too many refused requests")

// refuse sends an error response.
func (c *conn) refuse(m *stun.Message, key stun.MessageIntegrity, code stun.ErrorCode, attributes ...stun.Setter) error {
	if c.failures++; c.failures > maxFailures {
		return errFailures
	}
	return c.answer(m, stun.ClassErrorResponse, key, append([]stun.Setter{code}, attributes...)...)
}

// known are the attributes that must be understood and are (RFC 8489 section 14).
var known = map[stun.AttrType]bool{
	stun.AttrUsername: true, stun.AttrMessageIntegrity: true, stun.AttrRealm: true, stun.AttrNonce: true,
	stun.AttrChannelNumber: true, stun.AttrLifetime: true, stun.AttrXORPeerAddress: true, stun.AttrData: true,
	stun.AttrRequestedAddressFamily: true, stun.AttrEvenPort: true, stun.AttrRequestedTransport: true,
	stun.AttrReservationToken: true, stun.AttrDontFragment: true, stun.AttrPriority: true,
}

// unknown lists attributes that must be understood and are not.
func unknown(m *stun.Message) (list stun.UnknownAttributes) {
	for _, a := range m.Attributes {
		if a.Type.Required() && !known[a.Type] {
			list = append(list, a.Type)
		}
	}
	return list
}

// peerAddress reads the first XOR-PEER-ADDRESS. An IPv4 address in the clothes
// of IPv6 stays what it was sent as, and is nobody's.
func peerAddress(m *stun.Message) (netip.AddrPort, bool) {
	var x stun.XORMappedAddress
	if x.GetFromAs(m, stun.AttrXORPeerAddress) != nil || x.Port < 0 || x.Port > 1<<16-1 {
		return netip.AddrPort{}, false
	}
	ip, ok := netip.AddrFromSlice(x.IP)
	return netip.AddrPortFrom(ip, uint16(x.Port)), ok
}

// lifetime is a LIFETIME attribute (RFC 8656 section 18.2).
func lifetime(seconds float64) stun.RawAttribute {
	return stun.RawAttribute{Type: stun.AttrLifetime, Value: binary.BigEndian.AppendUint32(nil, uint32(seconds))}
}
