/** How often the sound is looked at, in milliseconds. */
const lookEvery = 1000
/** The delay grows in such steps, up to the most, and shrinks by one after so many looks without a hole, in milliseconds. */
const step = 40
const most = 240
const calmLooks = 30

interface Looked {
  concealed: number
  asked: number
}

/**
 * The delay at which jitter buffers aim: a little, and more where packets are lost that the browser asks for again, so that they come
 * in time. Where it does not ask (Firefox) more delay would help nothing, and against an uneven network alone a jitter buffer helps itself.
 */
export class Cushion {
  private timer: ReturnType<typeof setInterval> | undefined
  private connection: RTCPeerConnection | null = null
  private before: Looked | null = null
  private calm = 0

  /** @param apply sets the delay, in milliseconds */
  constructor(
    private readonly least: number,
    private readonly apply: (target: number) => void,
  ) {
    this.target = least
  }

  target: number

  /** Looks after another connection; null for none. What was learnt of the network stays. */
  follow(connection: RTCPeerConnection | null): void {
    clearInterval(this.timer)
    this.connection = connection
    this.before = null
    if (connection) this.timer = setInterval(() => void this.look(), lookEvery)
  }

  private async look(): Promise<void> {
    const connection = this.connection
    if (!connection) return
    const now = looked(await connection.getStats())
    if (connection !== this.connection) return
    const before = this.before
    this.before = now
    if (!before) return
    const hasHole = now.concealed > before.concealed
    if (hasHole && now.asked > before.asked) {
      this.calm = 0
      this.aim(Math.min(most, this.target + step))
    } else if (hasHole) {
      this.calm = 0
    } else if (++this.calm >= calmLooks) {
      this.calm = 0
      this.aim(Math.max(this.least, this.target - step))
    }
  }

  private aim(target: number): void {
    if (target === this.target) return
    this.target = target
    this.apply(target)
  }
}

/** Samples that were made up where sound was missing, and packets asked for again (W3C webrtc-stats, RTCInboundRtpStreamStats). */
function looked(stats: RTCStatsReport): Looked {
  const sum = { concealed: 0, asked: 0 }
  stats.forEach((s: { type: string; concealedSamples?: number; silentConcealedSamples?: number; nackCount?: number }) => {
    if (s.type !== 'inbound-rtp') return
    sum.concealed += (s.concealedSamples ?? 0) - (s.silentConcealedSamples ?? 0)
    sum.asked += s.nackCount ?? 0
  })
  return sum
}
