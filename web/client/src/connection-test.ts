/** Tries the ways to the server one after another, each by a media session of its own in which nothing is heard. */
import type { Client } from './api/client'
import { makeConnection } from './peer-connection'

export const ways = ['udp', 'tcp', 'relay'] as const
export type Way = (typeof ways)[number]

/** `absent`: the server does not have this way. A number is the milliseconds until the connection stood. */
export type Outcome = number | 'blocked' | 'absent'
export type Outcomes = Partial<Record<Way, Outcome>>

/** What the outcomes mean for the person. */
export type Verdict = 'good' | 'tcp_only' | 'relay_only' | 'udp_only' | 'blocked' | 'blocked_no_relay'

interface Test {
  id: string
  ice_servers: RTCIceServer[]
}

const limit = 6000

/** An answer that leads one way only. The relay leads to the server's UDP. */
export function only(sdp: string, way: Way): string {
  const wanted = way === 'tcp' ? ' tcp ' : ' udp '
  return sdp.split('\r\n').filter((line) => !line.startsWith('a=candidate:') || line.toLowerCase().includes(wanted)).join('\r\n')
}

/** The ports of the media, as the answer tells them: { udp: '192.0.2.1:7882', … }. */
export function addressesOf(sdp: string): Partial<Record<'udp' | 'tcp', string>> {
  const found: Partial<Record<'udp' | 'tcp', string>> = {}
  for (const [, protocol, address, port] of sdp.matchAll(/^a=candidate:\S+ 1 (udp|tcp) \d+ (\S+) (\d+) /gim)) {
    found[protocol?.toLowerCase() as 'udp' | 'tcp'] ??= address?.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
  }
  return found
}

export function verdictOf(outcomes: Outcomes): Verdict {
  const works = (way: Way) => typeof outcomes[way] === 'number'
  if (works('udp')) return works('tcp') || works('relay') ? 'good' : 'udp_only'
  if (works('tcp')) return 'tcp_only'
  if (works('relay')) return 'relay_only'
  return outcomes.relay === 'absent' ? 'blocked_no_relay' : 'blocked'
}

/** Tries all ways; `told` is called as each is known, and with the addresses of the media. Throws a Problem if the server refuses. */
export async function testConnection(client: Client, told: (way: Way, outcome: Outcome) => void, signal: AbortSignal): Promise<Partial<Record<'udp' | 'tcp', string>>> {
  const test = await client.call<Test>('POST', '/connection-tests')
  let addresses: Partial<Record<'udp' | 'tcp', string>> = {}
  for (const way of ways) {
    if (signal.aborted) break
    if (way === 'relay' && test.ice_servers.length === 0) {
      told(way, 'absent')
      continue
    }
    const { outcome, sdp } = await tryWay(client, test, way, signal)
    addresses = { ...addressesOf(sdp), ...addresses }
    told(way, outcome)
  }
  return addresses
}

async function tryWay(client: Client, test: Test, way: Way, signal: AbortSignal): Promise<{ outcome: Outcome; sdp: string }> {
  const isRelay = way === 'relay'
  const connection = makeConnection({ bundlePolicy: 'max-bundle', iceServers: isRelay ? test.ice_servers : [], iceTransportPolicy: isRelay ? 'relay' : 'all' })
  let location: string | null = null
  try {
    connection.addTransceiver('audio', { direction: 'recvonly' })
    await connection.setLocalDescription(await connection.createOffer())
    const answer = await client.send('POST', `/connection-tests/${encodeURIComponent(test.id)}/whep`, {
      sdp: connection.localDescription?.sdp ?? '', headers: { 'Content-Type': 'application/sdp', Accept: 'application/sdp' }, signal,
    })
    location = answer.headers.get('Location')
    const sdp = await answer.text()
    const began = performance.now()
    await connection.setRemoteDescription({ type: 'answer', sdp: only(sdp, way) })
    const isUp = await connected(connection, signal)
    return { outcome: isUp ? Math.round(performance.now() - began) : 'blocked', sdp }
  } finally {
    connection.close()
    if (location) fetch(location, { method: 'DELETE', headers: client.headers(), keepalive: true }).catch(() => {})
  }
}

function connected(connection: RTCPeerConnection, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), limit)
    const look = () => {
      const state = connection.connectionState
      if (state !== 'connected' && state !== 'failed' && !signal.aborted) return
      clearTimeout(timer)
      resolve(state === 'connected')
    }
    connection.addEventListener('connectionstatechange', look)
    signal.addEventListener('abort', look)
    look()
  })
}
