import { afterEach, describe, expect, it, vi } from 'vitest'
import { type Floating, Reactions, readReactions } from './reactions'

describe('reactions', () => {
  afterEach(() => vi.useRealTimers())
  it('are read, and nonsense among them is left out', () => {
    const { items, sums } = readReactions({ items: [{ account: 'a', reaction: 'clap' }, { account: 'b', reaction: 'bomb' }, null, 3], counts: { heart: 4, bomb: 2, think: 0 } })
    expect(items).toEqual([{ account: 'a', reaction: 'clap' }])
    expect(sums).toEqual([['heart', 4]])
    expect(readReactions({})).toEqual({ items: [], sums: [] })
  })
  it('float for three seconds', () => {
    vi.useFakeTimers()
    let floating: Floating[] = []
    const reactions = new Reactions((now) => (floating = now))
    reactions.take({ items: [{ account: 'a', reaction: 'clap' }] })
    expect(floating).toHaveLength(1)
    vi.advanceTimersByTime(2900)
    reactions.take({ items: [{ account: 'a', reaction: 'heart' }] })
    vi.advanceTimersByTime(200)
    expect(floating.map((one) => one.reaction)).toEqual(['heart'])
    vi.advanceTimersByTime(3000)
    expect(floating).toEqual([])
  })
  it('never fill the page', () => {
    let floating: Floating[] = []
    const reactions = new Reactions((now) => (floating = now))
    reactions.take({ items: Array.from({ length: 500 }, () => ({ account: 'a', reaction: 'clap' })) })
    expect(floating.length).toBeLessThanOrEqual(40)
    reactions.stop()
  })
})
