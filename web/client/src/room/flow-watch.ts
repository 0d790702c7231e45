/** How often a connection is looked at, in milliseconds. */
const lookEvery = 200
/** A connection counts as flowing after this many looks that found something new. */
const enough = 3

/**
 * Notices that nothing comes any more on a connection on which something came. That alone proves nothing, since speakers pause: whoever is
 * told asks the server. It tells once for each of `limits` (milliseconds of quiet) and then no more until something comes.
 */
export class FlowWatch {
  private connection: RTCPeerConnection | null = null
  private timer: ReturnType<typeof setInterval> | undefined
  private bytes = 0
  private found = 0
  private told = 0
  private lastAt = 0

  constructor(
    private readonly limits: readonly number[],
    private readonly quiet: () => void,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Watches another connection; null for none. */
  follow(connection: RTCPeerConnection | null): void {
    clearInterval(this.timer)
    this.connection = connection
    this.bytes = this.found = this.told = 0
    this.lastAt = this.now()
    if (connection) this.timer = setInterval(() => void this.look(), lookEvery)
  }

  /** Milliseconds since something came. */
  quietFor(): number {
    return this.now() - this.lastAt
  }

  private async look(): Promise<void> {
    const connection = this.connection
    if (!connection) return
    const bytes = received(await connection.getStats())
    if (connection !== this.connection) return
    if (bytes !== this.bytes) {
      this.bytes = bytes
      this.found++
      this.told = 0
      this.lastAt = this.now()
      return
    }
    const limit = this.limits[this.told]
    if (this.found < enough || limit === undefined || this.quietFor() < limit) return
    this.told++
    this.quiet()
  }
}

/** Bytes of sound and reports, without ICE's own checks, that have come on any path (W3C webrtc-stats, RTCIceCandidatePairStats). */
function received(stats: RTCStatsReport): number {
  let sum = 0
  stats.forEach((entry: { type: string; bytesReceived?: number }) => {
    if (entry.type === 'candidate-pair') sum += entry.bytesReceived ?? 0
  })
  return sum
}
