import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Client, Problem } from '../api/client'
import { MediaLink } from './media-link'

/** A connection that comes up only when told. */
class Connection extends EventTarget {
  static made: Connection[] = []
  connectionState: RTCPeerConnectionState = 'new'
  localDescription = { type: 'offer', sdp: 'v=0\n' } // it knows no address of its own

  constructor(readonly configuration: RTCConfiguration) {
    super()
    Connection.made.push(this)
  }

  createOffer = () => Promise.resolve({ type: 'offer', sdp: '' })
  setRemoteDescription = () => Promise.resolve()
  close = vi.fn()
  bytes = 0
  getStats = () => Promise.resolve(new Map([['p', { type: 'candidate-pair', bytesReceived: this.bytes }]]))

  setLocalDescription(): Promise<void> {
    return Promise.resolve()
  }

  become(state: RTCPeerConnectionState) {
    this.connectionState = state
    this.dispatchEvent(new Event('connectionstatechange'))
  }
}

const servers = [{ urls: ['turns:talk.example.org:443?transport=tcp'], username: 'u', credential: 'c' }]

const posted = vi.fn(() => Promise.resolve(new Response('v=0\r\n', { headers: { Location: '/x' } })))

function link(relay: () => Promise<RTCIceServer[]>, direction: 'down' | 'up' = 'down', mayReturn?: () => Promise<boolean>) {
  const states: string[] = []
  posted.mockClear()
  const client = { headers: () => ({}), send: posted } as unknown as Client
  const made = new MediaLink({ client, endpoint: '/rooms/r/whep', direction, relay, ...(mayReturn && { mayReturn }), prepare: () => {}, changed: (state) => states.push(state), refused: () => {} })
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

  it('asks a full server again when it says, and not earlier, and tells how long that is', async () => {
    const states: string[] = []
    const pauses: number[] = []
    let isFull = true
    const send = vi.fn(() => (isFull ? Promise.reject(new Problem(503, 'media_busy', '', 5)) : Promise.resolve(new Response('v=0', { headers: { Location: '/x' } }))))
    const client = { headers: () => ({}), send } as unknown as Client
    const made = new MediaLink({ client, endpoint: '/rooms/r/whep', direction: 'down', prepare: () => {}, changed: (state) => states.push(state), full: (pause) => pauses.push(pause), refused: () => {} })
    made.start()
    await vi.advanceTimersByTimeAsync(4900)
    expect(send).toHaveBeenCalledTimes(1)
    expect(pauses).toHaveLength(1)
    expect(pauses[0]).toBeGreaterThanOrEqual(5000)
    expect(pauses[0]).toBeLessThanOrEqual(7500)
    isFull = false
    await vi.advanceTimersByTimeAsync(2700)
    expect(send).toHaveBeenCalledTimes(2)
    last().become('connected')
    expect(states).toEqual(['connecting', 'lost', 'live'])
    made.stop()
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

  describe('that comes up and flows', () => {
    const asked: string[] = []
    let answer: () => Response | Promise<Response>

    async function flowing(direction: 'down' | 'up' = 'down', mayReturn?: () => Promise<boolean>) {
      asked.length = 0
      vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
        asked.push(`${init.method} ${url}`)
        return init.method === 'PATCH' ? Promise.resolve(answer()) : Promise.resolve(new Response())
      })
      const made = link(() => Promise.resolve([]), direction, mayReturn)
      await vi.advanceTimersByTimeAsync(100)
      last().become('connected')
      for (let i = 0; i < 10; i++) {
        last().bytes += 100
        await vi.advanceTimersByTimeAsync(200)
      }
      return { ...made, first: last() }
    }
    const age = (milliseconds: number) => new Response(null, { status: 204, headers: { 'Besedka-Flow-Age': String(milliseconds) } })

    it('and goes quiet while the server sends is made anew before the old one is closed', async () => {
      answer = () => age(20)
      const { first, states } = await flowing()
      await vi.advanceTimersByTimeAsync(1200)
      expect(asked).toEqual(['PATCH /x'])
      expect(Connection.made).toHaveLength(2)
      expect(first.close).not.toHaveBeenCalled()
      last().become('connected')
      expect(first.close).toHaveBeenCalled()
      expect(asked).toEqual(['PATCH /x', 'DELETE /x'])
      expect(states).toEqual(['connecting', 'live', 'lost', 'live'])
    })

    it('and goes quiet because nobody is heard stays, and asks but twice', async () => {
      const since = performance.now() + 2100
      answer = () => age(performance.now() - since)
      await flowing()
      await vi.advanceTimersByTimeAsync(60_000)
      expect(asked).toEqual(['PATCH /x', 'PATCH /x'])
      expect(Connection.made).toHaveLength(1)
    })

    it('and whose speaker is not heard by the server is made anew', async () => {
      answer = () => age(1400)
      await flowing('up')
      await vi.advanceTimersByTimeAsync(1700)
      expect(Connection.made).toHaveLength(2)
    })

    it('and is disconnected is made anew at once if the server is there', async () => {
      answer = () => age(3000)
      const { first } = await flowing()
      first.become('disconnected')
      await vi.advanceTimersByTimeAsync(0)
      expect(Connection.made).toHaveLength(2)
    })

    it('and is disconnected but heals before the server answers stays', async () => {
      let reply = (_: Response) => {}
      answer = () => new Promise((resolve) => (reply = resolve))
      const { first, states } = await flowing()
      first.become('disconnected')
      await vi.advanceTimersByTimeAsync(0)
      first.become('connected')
      reply(age(0))
      await vi.advanceTimersByTimeAsync(0)
      expect(Connection.made).toHaveLength(1)
      expect(states).toEqual(['connecting', 'live'])
    })

    it('and is lost does not wait with the offer until the browser has an address', async () => {
      answer = () => age(20)
      const { states } = await flowing()
      await vi.advanceTimersByTimeAsync(1200)
      expect(posted).toHaveBeenCalledTimes(2)
      await vi.advanceTimersByTimeAsync(2200) // the browser may be blind for so long
      expect(Connection.made).toHaveLength(2)
      last().become('connected')
      expect(states).toEqual(['connecting', 'live', 'lost', 'live'])
    })

    it('and that the server knows no more is made anew after a pause', async () => {
      answer = () => new Response(null, { status: 404 })
      const { first, states, made } = await flowing()
      await made.verify()
      expect(first.close).toHaveBeenCalled()
      expect(states.at(-1)).toBe('lost')
      await vi.advanceTimersByTimeAsync(700)
      expect(Connection.made).toHaveLength(2)
    })

    it('and that the server knows no more is made anew as soon as it may return, and not earlier', async () => {
      answer = () => new Response(null, { status: 404 })
      let go = (_: boolean) => {}
      const { made } = await flowing('down', () => new Promise((resolve) => (go = resolve)))
      await made.verify()
      await vi.advanceTimersByTimeAsync(1500)
      expect(Connection.made).toHaveLength(1)
      go(true)
      await vi.advanceTimersByTimeAsync(0)
      expect(Connection.made).toHaveLength(2)
    })

    it('and whose server ends comes back when that server said', async () => {
      answer = () => Promise.reject(new Error('away'))
      const { first, made } = await flowing()
      made.stayAway(2400)
      first.become('closed')
      await vi.advanceTimersByTimeAsync(2300)
      expect(Connection.made).toHaveLength(1)
      await vi.advanceTimersByTimeAsync(200)
      expect(Connection.made).toHaveLength(2)
    })
  })
})
