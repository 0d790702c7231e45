import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Cushion } from './cushion'

describe('a cushion', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  /** A connection of which somebody says what it has concealed and asked for, second by second. */
  function network(tell: (second: number) => { concealedSamples: number; silentConcealedSamples?: number; nackCount?: number }) {
    let second = 0
    return { getStats: () => Promise.resolve(new Map([['a', { type: 'inbound-rtp', ...tell(second++) }]])) } as unknown as RTCPeerConnection
  }

  async function after(seconds: number, tell: Parameters<typeof network>[0]): Promise<number[]> {
    const targets: number[] = []
    const cushion = new Cushion(80, (target) => targets.push(target))
    cushion.follow(network(tell))
    await vi.advanceTimersByTimeAsync(1000 * seconds)
    cushion.follow(null)
    await vi.advanceTimersByTimeAsync(60_000)
    return targets
  }

  it('grows while sound is missing that was asked for again, up to a bound', async () => {
    expect(await after(20, (n) => ({ concealedSamples: 900 * n, nackCount: 3 * n }))).toEqual([120, 160, 200, 240])
  })

  it('shrinks again, slowly, when nothing is missing any more', async () => {
    expect(await after(80, (n) => ({ concealedSamples: 900 * Math.min(n, 2), nackCount: n }))).toEqual([120, 160, 120, 80])
  })

  it('stays where the browser does not ask again', async () => {
    expect(await after(20, (n) => ({ concealedSamples: 900 * n }))).toEqual([])
  })

  it('stays where nothing is missing', async () => {
    expect(await after(100, (n) => ({ concealedSamples: 0, nackCount: n }))).toEqual([])
  })

  it('stays where only silence was made up', async () => {
    expect(await after(20, (n) => ({ concealedSamples: 900 * n, silentConcealedSamples: 900 * n, nackCount: n }))).toEqual([])
  })
})
