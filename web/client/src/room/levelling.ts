/** Brings every speaker to the same loudness, from the levels that come with the audio. Pure. */

/** Where speech is brought to: the root mean square of a full-scale sine is −3 dBov; −23 dBov of speech is close to −18 LUFS as people hear it gated. */
const target = -23
const most = 10
const least = -12
/** Quieter than this is breath and room, not speech: it teaches nothing about the speaker. */
const gate = -50
/** Seconds of speech until a change of loudness has been followed by two thirds. */
const memory = 3

export class Levelling {
  private readonly loudness = new Map<number, number>()

  /** A speaker was at this level, linear from 0 to 1, for so many seconds. */
  hear(csrc: number, amplitude: number, seconds: number): void {
    const level = 20 * Math.log10(amplitude)
    if (!(level > gate)) return
    const before = this.loudness.get(csrc)
    this.loudness.set(csrc, before === undefined ? level : before + (level - before) * (1 - Math.exp(-seconds / memory)))
  }

  /** The gain for this speaker, linear. 1 for somebody not heard yet. */
  gain(csrc: number): number {
    const level = this.loudness.get(csrc)
    return level === undefined ? 1 : 10 ** (Math.max(least, Math.min(most, target - level)) / 20)
  }
}

/** Where a seat sounds from: −1 left, 1 right. The seats of the stage are spread from left to right; one alone sits in the middle. */
export function panOf(seat: number, seats: number): number {
  return seats < 2 || seat < 0 ? 0 : -0.7 + (1.4 * Math.min(seat, seats - 1)) / (seats - 1)
}
