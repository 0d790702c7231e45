import { describe, expect, it } from 'vitest'
import type { SlotSound } from './audio-output.svelte'
import { Mixer } from './mixer'

function mixed(settings: { levelling?: boolean; spatial?: boolean; volume?: number }, level = 0.01): SlotSound[] {
  let sounds: SlotSound[] = []
  const receiver = {
    getContributingSources: () => [{ source: 7, timestamp: 1, rtpTimestamp: 0, audioLevel: level }],
    getSynchronizationSources: () => [],
  } as unknown as RTCRtpReceiver
  new Mixer({
    receivers: () => [receiver],
    output: { mix: (all) => (sounds = all) },
    stage: () => [{ csrc: 3, volume: 1 }, { csrc: undefined, volume: 1 }, { csrc: 7, volume: settings.volume ?? 1 }],
    levelling: () => settings.levelling ?? false,
    spatial: () => settings.spatial ?? false,
  }).mix()
  return sounds
}

describe('the mixer', () => {
  it('leaves everybody as they are unless asked', () => expect(mixed({})).toEqual([{ gain: 1, pan: 0 }]))
  it('follows the volume of whoever speaks in the slot', () => expect(mixed({ volume: 0.25 })).toEqual([{ gain: 0.25, pan: 0 }]))
  it('is silent for somebody muted here', () => expect(mixed({ volume: 0, levelling: true })[0]?.gain).toBe(0))
  it('lifts a quiet speaker', () => expect(mixed({ levelling: true })[0]?.gain).toBeGreaterThan(2))
  it('places the seats', () => expect(mixed({ spatial: true })[0]?.pan).toBeCloseTo(0.7))
})
