/** Makes late sound early again: jitter buffers grow at once when a network becomes restless, and browsers let them shrink over minutes only. */
import { Lateness, Restraint, type SlotLook } from './lateness'
import { isSounding } from './receivers'

/** How often the sound is looked at, in milliseconds. */
const lookEvery = 1000
/** How often, while a pause of speech is waited for; how many looks in a row must be at one; and how many there are at most. */
const listenEvery = 50
const pauseLooks = 4
const mostLooks = 60

export class Calming {
  private timer: ReturnType<typeof setTimeout> | undefined
  private connection: RTCPeerConnection | null = null
  private readonly lateness = new Lateness()
  private readonly restraint = new Restraint()

  /**
   * @param aim the delay that the jitter buffers are told to keep, in milliseconds
   * @param renew puts jitter buffers in their place that know nothing of the past
   */
  constructor(
    private readonly aim: () => number,
    private readonly renew: (connection: RTCPeerConnection) => Promise<void>,
  ) {}

  /** Looks after another connection; null for none. */
  follow(connection: RTCPeerConnection | null): void {
    clearTimeout(this.timer)
    this.connection = connection
    this.lateness.begin()
    if (connection) this.later(lookEvery, () => this.look(connection))
  }

  private later(pause: number, act: () => Promise<void> | void): void {
    this.timer = setTimeout(() => void act(), pause)
  }

  private async look(connection: RTCPeerConnection): Promise<void> {
    const slots = slotsOf(await connection.getStats())
    if (connection !== this.connection) return
    const isLate = this.lateness.take(slots, this.aim()) && this.restraint.allows(performance.now())
    if (isLate) this.waitForPause(connection, 0, 0)
    else this.later(lookEvery, () => this.look(connection))
  }

  /** What waits in the jitter buffers is lost with them: it should be silence. */
  private waitForPause(connection: RTCPeerConnection, looks: number, quiet: number): void {
    if (quiet >= pauseLooks || looks >= mostLooks) return void this.calm(connection)
    this.later(listenEvery, () => this.waitForPause(connection, looks + 1, isSounding(connection.getReceivers()) ? 0 : quiet + 1))
  }

  private async calm(connection: RTCPeerConnection): Promise<void> {
    this.restraint.done(performance.now())
    this.lateness.begin()
    await this.renew(connection).catch(() => {}) // it was closed meanwhile, which is seen elsewhere
    if (connection === this.connection) this.later(lookEvery, () => this.look(connection))
  }
}

/** What the statistics tell of each slot (W3C webrtc-stats, RTCInboundRtpStreamStats). */
function slotsOf(stats: RTCStatsReport): Map<string, SlotLook> {
  const slots = new Map<string, SlotLook>()
  stats.forEach((s: RTCInboundRtpStreamStats) => {
    if (s.type !== 'inbound-rtp') return
    slots.set(s.id, {
      packets: s.packetsReceived ?? 0,
      asked: s.nackCount ?? 0,
      concealed: (s.concealedSamples ?? 0) - (s.silentConcealedSamples ?? 0),
      jitter: 1000 * (s.jitter ?? 0),
      delay: s.jitterBufferDelay ?? 0,
      emitted: s.jitterBufferEmittedCount ?? 0,
    })
  })
  return slots
}
