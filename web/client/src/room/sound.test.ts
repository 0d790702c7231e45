import { describe, expect, it } from 'vitest'
import { MuteSync } from './mute-sync'
import { emptyFragment, shapeSpeech } from './sdp'
import { newest, strength, Voices } from './voices'

describe('the offer of a speaker', () => {
  const offer = 'm=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n'
  it('asks for DTX and in-band FEC, and leaves the rest alone', () => {
    expect(shapeSpeech(offer)).toBe(offer.replace('useinbandfec=1', 'useinbandfec=1;usedtx=1'))
  })
  it('gets a line of parameters if it has none', () => {
    expect(shapeSpeech('a=rtpmap:109 opus/48000/2\r\na=x\r\n')).toBe('a=rtpmap:109 opus/48000/2\r\na=fmtp:109 useinbandfec=1;usedtx=1\r\na=x\r\n')
  })
  it('stays as it is without Opus', () => expect(shapeSpeech('v=0\r\n')).toBe('v=0\r\n'))
  it('gives its credentials to the fragment that asks whether the session lives', () => {
    expect(emptyFragment('a=ice-ufrag:ab\r\na=ice-pwd:cd\r\n')).toBe('a=ice-ufrag:ab\r\na=ice-pwd:cd\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\na=end-of-candidates\r\n')
  })
})

describe('voices', () => {
  const source = (number: number, timestamp: number, audioLevel?: number): RTCRtpContributingSource => ({ source: number, timestamp, rtpTimestamp: 0, ...(audioLevel === undefined ? {} : { audioLevel }) })
  const hearing = (sources: RTCRtpContributingSource[]) => new Voices({ receivers: () => [{ getContributingSources: () => sources, getSynchronizationSources: () => [] } as unknown as RTCRtpReceiver], own: () => 0 })

  it('of a slot belong to its newest source', () => expect(newest([source(1, 10), source(2, 30), source(3, 20)])?.source).toBe(2))
  it('below the threshold are silence', () => {
    expect(strength(0)).toBe(0)
    expect(strength(10 ** (-60 / 20))).toBe(0)
    expect(strength(10 ** (-40 / 20))).toBeGreaterThan(0.4)
    expect(strength(1)).toBe(1)
  })
  it('show at once and are gone after 300 ms', () => {
    const sources = [source(7, 1, 0.2)]
    const voices = hearing(sources)
    voices.listen(1000)
    expect(voices.speaking(1000)).toEqual([7])
    sources.length = 0
    expect(voices.speaking(1290)).toEqual([7])
    expect(voices.speaking(1301)).toEqual([])
  })
  it('do not last on a source that plays no more, though the list keeps it', () => {
    const voices = hearing([source(7, 1, 0.2)])
    voices.listen(1000)
    for (let now = 1016; now < 1700; now += 16) voices.listen(now)
    expect(voices.speaking(1700)).toEqual([])
  })
  it('without a level need two packets close together: a lone one marks silence', () => {
    const sources = [source(7, 1)]
    const voices = hearing(sources)
    voices.listen(1000)
    expect(voices.speaking(1000)).toEqual([])
    sources[0] = source(7, 400)
    voices.listen(1400)
    expect(voices.speaking(1400)).toEqual([])
    sources[0] = source(7, 420)
    voices.listen(1420)
    expect(voices.speaking(1420)).toEqual([7])
  })
})

describe('muting', () => {
  it('ends in the last wish, one request at a time', async () => {
    const told: boolean[] = []
    let release = () => {}
    const sync = new MuteSync((isMuted) => { told.push(isMuted); return new Promise((resolve) => (release = resolve)) }, () => 0)
    for (const wish of [true, false, true, false]) sync.want(wish)
    expect(told).toEqual([true])
    release()
    await Promise.resolve()
    await Promise.resolve()
    expect(told).toEqual([true, false])
    release()
    await Promise.resolve()
    expect(told).toHaveLength(2)
  })
  it('knows for a moment that a word from the server may be its own echo', async () => {
    let now = 0
    const sync = new MuteSync(async () => {}, () => now)
    expect(sync.isRecent()).toBe(false)
    sync.want(true)
    await Promise.resolve()
    await Promise.resolve()
    now = 1000
    expect(sync.isRecent()).toBe(true)
    now = 2000
    expect(sync.isRecent()).toBe(false)
  })
  it('says it again after a failure', async () => {
    const told: boolean[] = []
    const sync = new MuteSync(async (isMuted) => { told.push(isMuted); if (told.length === 1) throw new Error('away') }, () => 0)
    sync.want(true)
    await Promise.resolve()
    await Promise.resolve()
    sync.want(true)
    expect(told).toEqual([true, true])
  })
})
