/** Whether sound comes later than the network needs by now. Pure. */

/** The network counts as calm after this many looks in a row at packets that came evenly, all of them, and all heard. */
const calmLooks = 3
/** Packets that came this evenly need no longer delay than usual, in milliseconds (RFC 3550, section 6.4.1: interarrival jitter). */
const even = 12
/** So many packets between two looks tell how evenly they come; silence brings fewer. */
const telling = 8
/** Delay beyond what is usual that is worth a renewal, in milliseconds. */
const excess = 80
/** What a jitter buffer needs that nobody gives another aim, in milliseconds. */
const usual = 80

/** A renewal is followed by none for so long, in milliseconds, and each one by a pause twice as long, up to the longest. */
const shortestPause = 30_000
const longestPause = 8 * 60_000
/** After so long without a renewal the network is as good as any. */
const forgiven = 10 * 60_000

/** What the statistics tell of one slot; counters grow. */
export interface SlotLook {
  packets: number
  /** Asked for again. */
  asked: number
  /** Samples of sound, not of silence, that were made up. */
  concealed: number
  /** How unevenly packets come, in milliseconds. */
  jitter: number
  /** The sum of what each sample waited in the jitter buffer, in seconds, and how many samples that were. */
  delay: number
  emitted: number
}

export class Lateness {
  private before = new Map<string, SlotLook>()
  private calm = 0
  private late = 0

  /** Forgets the slots, which begin anew. */
  begin(): void {
    this.before.clear()
    this.calm = this.late = 0
  }

  /**
   * Takes a look at all slots, one after another about a second apart, and says whether what they play comes too late for no reason any more.
   * @param aim the delay that the jitter buffers are told to keep, in milliseconds
   */
  take(slots: ReadonlyMap<string, SlotLook>, aim: number): boolean {
    let isTelling = false
    let late = 0
    for (const [id, now] of slots) {
      const before = this.before.get(id)
      if (!before || now.packets - before.packets < telling) continue
      isTelling = true
      const isEven = now.jitter <= even && now.asked === before.asked && now.concealed === before.concealed
      if (!isEven) this.calm = -1
      if (now.emitted > before.emitted) late = Math.max(late, (1000 * (now.delay - before.delay)) / (now.emitted - before.emitted))
    }
    this.before = new Map(slots)
    if (!isTelling) return false
    this.calm++
    this.late = late
    return this.calm >= calmLooks && this.late > Math.max(usual, aim) + excess
  }
}

/** How often something may be done that a restless network would ask for again and again. */
export class Restraint {
  private notBefore = -Infinity
  private lastAt = -Infinity
  private pause = shortestPause

  constructor(private readonly random: () => number = Math.random) {}

  allows(now: number): boolean {
    return now >= this.notBefore
  }

  /** It was done. */
  done(now: number): void {
    this.pause = now - this.lastAt > forgiven ? shortestPause : Math.min(longestPause, 2 * this.pause)
    this.lastAt = now
    this.notBefore = now + this.pause * (1 + this.random() / 2)
  }
}
