import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Client } from '../api/client'
import { MediaLink } from './media-link'

/** A connection that comes up only when told. */
class Connection extends EventTarget {
  static made: Connection[] = []
  connectionState: RTCPeerConnectionState = 'new'
  localDescription = null

  constructor(readonly configuration: RTCConfiguration) {
    super()
    Connection.made.push(this)
  }

  createOffer = () => Promise.resolve({ type: 'offer', sdp: '' })
  setLocalDescription = () => Promise.resolve()
  setRemoteDescription = () => Promise.resolve()
  close = () => {}

  become(state: RTCPeerConnectionState) {
    this.connectionState = state
    this.dispatchEvent(new Event('connectionstatechange'))
  }
}

const servers = [{ urls: ['turns:talk.example.org:443?transport=tcp'], username: 'u', credential: 'c' }]

function link(relay: () => Promise<RTCIceServer[]>) {
  const states: string[] = []
  const client = { headers: () => ({}), send: () => Promise.resolve(new Response('v=0\r\n', { headers: { Location: '/x' } })) } as unknown as Client
  const made = new MediaLink({ client, endpoint: '/rooms/r/whep', relay, prepare: () => {}, changed: (state) => states.push(state), refused: () => {} })
  made.start()
  return { made, states }
}

const last = () => Connection.made.at(-1)!

describe('a link', () => {
  beforeEach(() => {
    vi.useFakeTimers()
    Connection.made = []
    vi.stubGlobal('RTCPeerConnection', Connection)
    vi.stubGlobal('fetch', () => Promise.resolve(new Response()))
  })
  afterEach(() => {
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  it('asks for no relay while the direct ways work', async () => {
    const relay = vi.fn(() => Promise.resolve(servers))
    const { states } = link(relay)
    await vi.advanceTimersByTimeAsync(500)
    last().become('connected')
    await vi.advanceTimersByTimeAsync(60_000)
    expect(relay).not.toHaveBeenCalled()
    expect(states).toEqual(['connecting', 'live'])
  })

  it('takes the relay after three seconds, and stays with it when it is lost', async () => {
    const { states } = link(() => Promise.resolve(servers))
    await vi.advanceTimersByTimeAsync(2900)
    expect(Connection.made).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(200)
    expect(Connection.made.map((c) => c.configuration.iceServers)).toEqual([[], servers])
    last().become('connected')
    expect(states).toEqual(['connecting', 'live'])
    last().become('failed')
    await vi.advanceTimersByTimeAsync(2000)
    expect(last().configuration.iceServers).toEqual(servers)
  })

  it('takes the relay at once where the direct ways are refused', async () => {
    link(() => Promise.resolve(servers))
    await vi.advanceTimersByTimeAsync(100)
    last().become('failed')
    await vi.advanceTimersByTimeAsync(0)
    expect(last().configuration.iceServers).toEqual(servers)
  })

  it('waits on where there is no relay, or when it cannot be asked for', async () => {
    for (const relay of [() => Promise.resolve([]), () => Promise.reject(new Error('away'))]) {
      Connection.made = []
      const { states } = link(relay)
      await vi.advanceTimersByTimeAsync(7900)
      expect(Connection.made).toHaveLength(1)
      last().become('connected')
      expect(states).toEqual(['connecting', 'live'])
    }
  })

  it('tries the direct ways again when the relay fails too', async () => {
    link(() => Promise.resolve(servers))
    await vi.advanceTimersByTimeAsync(3100)
    await vi.advanceTimersByTimeAsync(12_000)
    expect(Connection.made[2]?.configuration.iceServers).toEqual([])
  })
})
