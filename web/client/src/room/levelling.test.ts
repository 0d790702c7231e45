import { describe, expect, it } from 'vitest'
import { Levelling, panOf } from './levelling'

const amplitude = (decibels: number) => 10 ** (decibels / 20)
const decibels = (gain: number) => 20 * Math.log10(gain)

describe('levelling', () => {
  it('brings a quiet and a loud speaker to the same level', () => {
    const levelling = new Levelling()
    for (let at = 0; at < 100; at++) {
      levelling.hear(1, amplitude(-30), 0.1)
      levelling.hear(2, amplitude(-17), 0.1)
    }
    expect(-30 + decibels(levelling.gain(1))).toBeCloseTo(-23, 1)
    expect(-17 + decibels(levelling.gain(2))).toBeCloseTo(-23, 1)
  })
  it('never lifts a whisper into noise, nor tears at somebody who shouts', () => {
    const levelling = new Levelling()
    levelling.hear(1, amplitude(-49), 1)
    levelling.hear(2, 1, 1)
    expect(decibels(levelling.gain(1))).toBeCloseTo(10, 5)
    expect(decibels(levelling.gain(2))).toBeCloseTo(-12, 5)
  })
  it('learns nothing from silence, and leaves alone whom it has not heard', () => {
    const levelling = new Levelling()
    levelling.hear(1, amplitude(-60), 5)
    levelling.hear(1, 0, 5)
    expect(levelling.gain(1)).toBe(1)
  })
})

describe('seats', () => {
  it('are spread from left to right', () => expect([0, 1, 2].map((seat) => panOf(seat, 3))).toEqual([-0.7, 0, 0.7]))
  it('of one alone, or of nobody known, are the middle', () => expect([panOf(0, 1), panOf(-1, 5)]).toEqual([0, 0]))
})
