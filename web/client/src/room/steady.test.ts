import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Problem } from '../api/client'
import { HiddenWatch } from './hidden-watch'
import { Steady } from './steady.svelte'

/** An audio element whose network and clock the test moves. */
class FakeElement extends EventTarget {
  src = ''
  currentTime = 0
  ended = false
  error = null
  end = 0
  sources: string[] = []
  refusal: DOMException | null = null
  get buffered() {
    return { length: this.end > 0 ? 1 : 0, end: () => this.end }
  }
  async play(): Promise<void> {
    if (!this.src) return
    this.sources.push(this.src)
    if (this.refusal) throw this.refusal
    this.dispatchEvent(new Event('playing'))
  }
  pause(): void {}
  load(): void {}
  removeAttribute(): void {
    this.src = ''
  }
}

function begun(options: { address?: () => Promise<string>; mayReturn?: () => Promise<boolean> } = {}) {
  const element = new FakeElement()
  const told: string[] = []
  let tickets = 0
  const steady = new Steady({
    element: () => element as unknown as HTMLAudioElement,
    address: options.address ?? (async () => `/stream/${++tickets}`),
    mayReturn: options.mayReturn ?? (async () => true),
    playing: () => told.push('playing'),
    refused: (problem) => told.push(problem.code),
  })
  steady.start()
  return { element, told, steady }
}

const settle = () => vi.advanceTimersByTimeAsync(0)

describe('the steady stream', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('plays what it is given, and says so', async () => {
    const { element, told, steady } = begun()
    expect(steady.state).toBe('starting')
    await settle()
    expect([steady.state, element.src, told]).toEqual(['playing', '/stream/1', ['playing']])
    steady.stop()
    expect([steady.state, steady.isOn, element.src]).toEqual(['off', false, ''])
  })

  it.each(['error', 'ended'])('comes back by itself after %s, with another ticket', async (end) => {
    const { element, steady } = begun()
    await settle()
    element.dispatchEvent(new Event(end))
    expect(steady.state).toBe('broken')
    await vi.advanceTimersByTimeAsync(1000)
    expect([steady.state, element.src]).toEqual(['playing', '/stream/2'])
    steady.stop()
  })

  it('that stands still is broken', async () => {
    const { element, steady } = begun()
    await settle()
    for (element.currentTime = 1; element.currentTime < 10; element.currentTime++) await vi.advanceTimersByTimeAsync(2000)
    expect(element.sources).toEqual(['/stream/1'])
    await vi.advanceTimersByTimeAsync(15_000)
    expect(element.sources.slice(0, 2)).toEqual(['/stream/1', '/stream/2'])
    steady.stop()
  })

  it('that has fallen behind begins anew at once', async () => {
    const { element, steady } = begun()
    await settle()
    element.end = 60
    await vi.advanceTimersByTimeAsync(2000)
    element.end = 0
    await settle()
    expect([steady.state, element.src]).toEqual(['playing', '/stream/2'])
    steady.stop()
  })

  it('waits as long as a full server asks for', async () => {
    let asked = 0
    const { steady } = begun({ address: async () => { if (++asked === 1) throw new Problem(503, 'media_busy', null, 5); return '/stream/x' } })
    await settle()
    await vi.advanceTimersByTimeAsync(4900)
    expect([steady.state, asked]).toEqual(['broken', 1])
    await vi.advanceTimersByTimeAsync(200)
    expect([steady.state, asked]).toEqual(['playing', 2])
    steady.stop()
  })

  it('ends with what the server refuses', async () => {
    const { told, steady } = begun({ address: () => Promise.reject(new Problem(403, 'removed_from_room')) })
    await settle()
    expect([steady.state, told]).toEqual(['off', ['removed_from_room']])
  })

  it('does not come back to a seat that is held elsewhere', async () => {
    const { element, steady } = begun({ mayReturn: async () => false })
    await settle()
    element.dispatchEvent(new Event('error'))
    await vi.advanceTimersByTimeAsync(1000)
    expect([steady.state, element.sources]).toEqual(['off', ['/stream/1']])
  })

  it('that the system stops waits for a tap, and goes on with what is said then', async () => {
    const { element, steady } = begun()
    await settle()
    element.dispatchEvent(new Event('pause'))
    await vi.advanceTimersByTimeAsync(60_000)
    expect([steady.state, element.sources.length]).toEqual(['paused', 1])
    steady.resume()
    await settle()
    expect([steady.state, element.src]).toEqual(['playing', '/stream/2'])
    steady.stop()
  })

  it('for which the browser wants a tap waits for it', async () => {
    const { element, steady } = begun()
    element.refusal = new DOMException('no', 'NotAllowedError')
    await settle()
    expect(steady.state).toBe('paused')
    steady.stop()
  })
})

describe('a page that comes back', () => {
  const page = () => Object.assign(new EventTarget(), { hidden: false })
  const turn = (of: ReturnType<typeof page>, hidden: boolean) => {
    of.hidden = hidden
    of.dispatchEvent(new Event('visibilitychange'))
  }
  it('tells of sound that was lost meanwhile, and of no other', () => {
    let told = 0
    const there = page()
    const watch = new HiddenWatch(() => false, () => told++, there as unknown as Document)
    watch.start()
    watch.lost()
    turn(there, true)
    turn(there, false)
    expect(told).toBe(0)
    turn(there, true)
    watch.lost()
    turn(there, false)
    turn(there, true)
    turn(there, false)
    expect(told).toBe(1)
    watch.stop()
  })
  it('tells of sound that the browser holds back', () => {
    let told = 0
    const there = page()
    const watch = new HiddenWatch(() => true, () => told++, there as unknown as Document)
    watch.start()
    turn(there, true)
    turn(there, false)
    expect(told).toBe(1)
    watch.stop()
  })
})
