import { describe, expect, it } from 'vitest'
import { LineWatch } from './line-watch.svelte'

describe('a bad line', () => {
  it('up is told once, after five seconds, and again when it was good meanwhile', () => {
    let told = 0
    const watch = new LineWatch({ down: () => null, up: () => null, heardBadly: () => told++, lineBad: () => {} })
    const look = (at: number, upLoss: number) => watch.take({ at, received: 0, lost: 0, bytes: 0, upLoss, roundTrip: null })
    look(0, 0.2)
    look(2500, 0.2)
    expect(told).toBe(0)
    look(5000, 0.2)
    look(7500, 0.2)
    look(60_000, 0.2)
    expect(told).toBe(1)
    look(62_500, 0)
    look(65_000, 0.2)
    look(70_000, 0.2)
    expect(told).toBe(2)
    expect(watch.bars).toBe(1)
  })
  it('down begins saving', () => {
    let bad = 0
    const watch = new LineWatch({ down: () => null, up: () => null, heardBadly: () => {}, lineBad: () => bad++ })
    for (let at = 0; at < 4; at++) watch.take({ at: at * 2500, received: at * 100, lost: at * 20, bytes: 0, upLoss: null, roundTrip: null })
    expect(bad).toBe(1)
  })
})
