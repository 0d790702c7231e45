import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Client } from '../api/client'
import { Notices } from '../toasts.svelte'
import type { AudioOutput } from './audio-output.svelte'
import { RoomSession } from './room-session.svelte'
import { letServerBegin } from './sdp'
import { Spare } from './spare'

const offered = 'v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\na=setup:actpass\r\n'

class Connection extends EventTarget {
  static made: Connection[] = []
  connectionState: RTCPeerConnectionState = 'new'
  private readonly receivers: { track: object }[] = []
  described: string | null = null
  close = vi.fn()
  getStats = () => Promise.resolve(new Map())
  setRemoteDescription = () => Promise.resolve()

  constructor() {
    super()
    Connection.made.push(this)
  }

  createOffer = () => Promise.resolve({ type: 'offer', sdp: offered })
  getReceivers = () => this.receivers

  addTransceiver() {
    const receiver = { track: {}, getContributingSources: () => [] }
    this.receivers.push(receiver)
    return { receiver }
  }

  /** Addresses are looked for, and that takes its time. */
  setLocalDescription({ sdp }: { sdp: string }): Promise<void> {
    this.described = sdp
    return new Promise(() => {})
  }
}

const posted = () => vi.fn<(method: string, path: string, options: { sdp: string }) => Promise<Response>>(() => new Promise(() => {}))

function session(spare: Spare | null, send = posted(), call = vi.fn<(method: string, path: string) => Promise<unknown>>(() => new Promise(() => {}))) {
  const attached: [number, object][] = []
  const output = { attach: (slot: number, track: object) => attached.push([slot, track]), clear: () => {}, mix: () => {} }
  const made = new RoomSession({
    client: { send, call, headers: () => ({}) } as unknown as Client, room: 'r1', self: 'a1', output: output as unknown as AudioOutput, spare, notices: new Notices(),
    device: () => null, sound: { isSaving: false } as never, over: () => {}, holdsSeat: () => Promise.resolve(true), watch: () => {},
  })
  return { made, send, call, attached }
}

const settled = () => vi.advanceTimersByTimeAsync(0)

describe('entering', () => {
  beforeEach(() => {
    vi.useFakeTimers()
    Connection.made = []
    vi.stubGlobal('RTCPeerConnection', Connection)
    vi.stubGlobal('navigator', {})
  })
  afterEach(() => {
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  it('asks for the seat and the sound at once, and for the sound before any address is known', async () => {
    const { made, send, call } = session(null)
    void made.enter()
    await settled()
    expect(call.mock.calls.map(([method, path]) => `${method} ${path}`)).toEqual(['PUT /rooms/r1/seat'])
    expect(send.mock.calls.map(([method, path]) => `${method} ${path}`)).toEqual(['POST /rooms/r1/whep'])
    expect(Connection.made[0]?.described).toContain('a=setup:actpass')
  })

  it('says first how, where that matters: listening enters as everybody does', async () => {
    const { made, send, call } = session(null)
    void made.enter({ overflow: true })
    await settled()
    expect(call).toHaveBeenCalledOnce()
    expect(send).not.toHaveBeenCalled()
  })

  it('opens the way to the loudspeaker before the connection is up', async () => {
    const { made, attached } = session(null)
    void made.enter()
    await settled()
    expect(attached.map(([slot]) => slot)).toEqual([0, 1, 2])
    expect(attached.map(([, track]) => track)).toEqual(Connection.made[0]?.getReceivers().map((receiver) => receiver.track))
  })

  it('takes the connection that was ready, and makes another where it does not fit', async () => {
    const spare = new Spare()
    spare.make(3)
    expect(Connection.made[0]?.described).toBeNull() // no socket, nothing sent
    void session(spare).made.enter()
    await settled()
    expect(Connection.made).toHaveLength(1)
    spare.make(1)
    void session(spare).made.enter()
    await settled()
    expect(Connection.made).toHaveLength(3)
    expect(spare.take(1)).not.toBeNull()
  })
})

describe('a spare connection', () => {
  beforeEach(() => vi.stubGlobal('RTCPeerConnection', Connection))
  afterEach(() => vi.unstubAllGlobals())

  it('is one at a time, and closed when it is not wanted', () => {
    Connection.made = []
    const spare = new Spare()
    spare.make(3)
    spare.make(3)
    spare.make(1)
    spare.drop()
    expect(Connection.made.map((one) => one.close.mock.calls.length)).toEqual([1, 1])
    expect(spare.take(1)).toBeNull()
  })

  it('fails without a word where there is no WebRTC', () => {
    vi.stubGlobal('RTCPeerConnection', undefined)
    const spare = new Spare()
    spare.make(3)
    expect(spare.take(3)).toBeNull()
  })
})

describe('the handshake', () => {
  it('is begun by the server', () => expect(letServerBegin(offered)).toBe(offered.replace('actpass', 'passive')))
  it('but not with Firefox, which would lose its beginning', () => {
    const firefox = offered.replace('o=-', 'o=mozilla...THIS_IS_SDPARTA-99.0')
    expect(letServerBegin(firefox)).toBe(firefox)
  })
})
