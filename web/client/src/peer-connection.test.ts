import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

class Own {}
class Framed {
  constructor(readonly configuration: RTCConfiguration) {}
}

function page(platform: string | undefined, contentWindow: object | null) {
  const frames: { contentWindow: object | null; allow?: string; hidden?: boolean }[] = []
  const appended: object[] = []
  vi.stubGlobal('navigator', platform ? { userAgentData: { platform } } : {})
  vi.stubGlobal('document', {
    createElement: () => {
      const frame = { contentWindow }
      frames.push(frame)
      return frame
    },
    documentElement: { append: (frame: object) => appended.push(frame) },
  })
  return { frames, appended }
}

describe('a connection', () => {
  let makeConnection: (configuration: RTCConfiguration) => RTCPeerConnection
  beforeEach(async () => {
    vi.resetModules()
    vi.stubGlobal('RTCPeerConnection', Own)
    makeConnection = (await import('./peer-connection')).makeConnection
  })
  afterEach(() => vi.unstubAllGlobals())

  it('is made in the one hidden frame that may not use the microphone', () => {
    const { frames, appended } = page('Windows', { RTCPeerConnection: Framed })
    const made = [1, 2].map((iceCandidatePoolSize) => makeConnection({ iceCandidatePoolSize }))
    expect(made).toEqual([new Framed({ iceCandidatePoolSize: 1 }), new Framed({ iceCandidatePoolSize: 2 })])
    expect(frames).toMatchObject([{ allow: "microphone 'none'", hidden: true }])
    expect(appended).toEqual(frames)
  })

  it.each(['Android', 'Chrome OS', undefined])('is the page’s own on %s', (platform) => {
    const { frames } = page(platform, { RTCPeerConnection: Framed })
    expect(makeConnection({})).toBeInstanceOf(Own)
    expect(frames).toEqual([])
  })

  it.each([
    ['has no window', null],
    ['has no connections', {}],
    ['refuses', { RTCPeerConnection: class { constructor() { throw new DOMException('detached', 'InvalidStateError') } } }],
    ['is another origin’s', Object.defineProperty({}, 'RTCPeerConnection', { get() { throw new DOMException('', 'SecurityError') } })],
  ])('is the page’s own if the frame %s', (_, contentWindow) => {
    page('Linux', contentWindow)
    expect(makeConnection({})).toBeInstanceOf(Own)
  })

  it('is the page’s own if there can be no frame', () => {
    page('Linux', null)
    vi.stubGlobal('document', { createElement: () => { throw new TypeError() } })
    expect(makeConnection({})).toBeInstanceOf(Own)
  })
})
