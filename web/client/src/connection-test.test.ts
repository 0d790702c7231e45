import { describe, expect, it } from 'vitest'
import { addressesOf, only, type Outcomes, verdictOf } from './connection-test'

const sdp = ['v=0', 'm=audio 9 UDP/TLS/RTP/SAVPF 111', 'a=candidate:1 1 udp 2122260223 192.0.2.1 7882 typ host', 'a=candidate:3 1 udp 2122260222 2001:db8::1 7882 typ host',
  'a=candidate:2 1 tcp 1518280447 192.0.2.1 7882 typ host tcptype passive', 'a=end-of-candidates', ''].join('\r\n')

describe('a test of the connection', () => {
  it('goes one way at a time', () => {
    expect(only(sdp, 'udp').match(/a=candidate/g)).toHaveLength(2)
    expect(only(sdp, 'relay')).toBe(only(sdp, 'udp'))
    expect(only(sdp, 'tcp').match(/a=candidate.*/g)).toEqual(['a=candidate:2 1 tcp 1518280447 192.0.2.1 7882 typ host tcptype passive'])
  })
  it('knows the ports of the media', () => expect(addressesOf(sdp)).toEqual({ udp: '192.0.2.1:7882', tcp: '192.0.2.1:7882' }))
  it.each<[Outcomes, string]>([
    [{ udp: 20, tcp: 30, relay: 40 }, 'good'], [{ udp: 20, tcp: 30, relay: 'absent' }, 'good'], [{ udp: 20, tcp: 'blocked', relay: 'blocked' }, 'udp_only'],
    [{ udp: 'blocked', tcp: 30, relay: 40 }, 'tcp_only'], [{ udp: 'blocked', tcp: 'blocked', relay: 40 }, 'relay_only'],
    [{ udp: 'blocked', tcp: 'blocked', relay: 'blocked' }, 'blocked'], [{ udp: 'blocked', tcp: 'blocked', relay: 'absent' }, 'blocked_no_relay'],
  ])('%o means %s', (outcomes, verdict) => expect(verdictOf(outcomes)).toBe(verdict))
})
