import { describe, expect, it } from 'vitest'
import { Lateness, Restraint, type SlotLook } from './lateness'

/** A slot of which each second brings so many packets that each waited so many milliseconds. */
function* seconds(second: (n: number) => Partial<SlotLook> & { waits: number; comes?: number }): Generator<Map<string, SlotLook>> {
  const slot: SlotLook = { packets: 0, asked: 0, concealed: 0, jitter: 2, delay: 0, emitted: 0 }
  for (let n = 0; ; n++) {
    const { waits, comes = 50, ...rest } = second(n)
    slot.packets += comes
    slot.emitted += 960 * comes
    slot.delay += (960 * comes * waits) / 1000
    Object.assign(slot, rest)
    yield new Map([['slot', { ...slot }]])
  }
}

/** In which of so many seconds the sound was found to be late. */
function late(count: number, aim: number, second: Parameters<typeof seconds>[0]): number[] {
  const lateness = new Lateness()
  const found = []
  const looks = seconds(second)
  for (let n = 0; n < count; n++) if (lateness.take(looks.next().value as Map<string, SlotLook>, aim)) found.push(n)
  return found
}

describe('sound', () => {
  it('is late when the network has become calm and it is still delayed', () => {
    expect(late(12, 80, (n) => ({ jitter: n < 8 ? 60 : 3, waits: 350 }))[0]).toBe(10)
  })

  it('is not late while the network is restless', () => {
    expect(late(60, 80, (n) => ({ jitter: n % 3 === 0 ? 40 : 5, waits: 350 }))).toEqual([])
  })

  it('is not late while packets are asked for again, or something is missing', () => {
    expect(late(60, 80, (n) => ({ asked: n >> 1, waits: 350 }))).toEqual([])
    expect(late(60, 80, (n) => ({ concealed: 480 * (n >> 1), waits: 350 }))).toEqual([])
  })

  it('is not late with the delay that was asked for', () => {
    expect(late(60, 240, () => ({ waits: 300 }))).toEqual([])
    expect(late(60, 0, () => ({ waits: 150 }))).toEqual([])
  })

  it('says nothing of the network in silence, and forgets nothing', () => {
    expect(late(60, 80, () => ({ comes: 3, waits: 350 }))).toEqual([])
    expect(late(20, 80, (n) => ({ comes: n > 3 && n < 14 ? 3 : 50, waits: 350 }))[0]).toBe(3)
    expect(late(20, 80, (n) => ({ comes: n > 2 && n < 14 ? 3 : 50, waits: 350 }))[0]).toBe(14)
  })

  it('is measured anew where slots begin anew', () => {
    const lateness = new Lateness()
    const looks = seconds(() => ({ waits: 350 }))
    for (let n = 0; n < 3; n++) lateness.take(looks.next().value as Map<string, SlotLook>, 80)
    lateness.begin()
    expect([...Array(3)].map(() => lateness.take(looks.next().value as Map<string, SlotLook>, 80))).toEqual([false, false, false])
  })
})

describe('what a restless network would ask for again and again', () => {
  it('is done more and more seldom, until it has been good for long', () => {
    const restraint = new Restraint(() => 0)
    const done = []
    for (let now = 0; now < 3_600_000; now += 1000) {
      if (now > 2_400_000 && now < 3_100_000) continue
      if (!restraint.allows(now)) continue
      restraint.done(now)
      done.push(now / 1000)
    }
    expect(done).toEqual([0, 30, 90, 210, 450, 930, 1410, 1890, 2370, 3100, 3130, 3190, 3310, 3550])
  })

  it('is not done by everybody in the same moment', () => {
    const restraint = new Restraint(() => 1)
    restraint.done(0)
    expect([restraint.allows(44_000), restraint.allows(45_000)]).toEqual([false, true])
  })
})
