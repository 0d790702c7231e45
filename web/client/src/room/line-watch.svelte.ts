/** Watches the line while the person is in a room: bars, data used, and what is wrong for long enough to say so. */
import { barsOf, downLoss, type Look, lookAt, Traffic } from './line'

const interval = 2500
/** Loss above these, for so long, is told or acted on. */
const badUp = 0.05
const badDown = 0.08
const patience = 5000

export interface LineWatchOptions {
  down(): RTCPeerConnection | null
  up(): RTCPeerConnection | null
  /** Listeners hear this person badly. */
  heardBadly(): void
  /** Much is lost on the way down. */
  lineBad(): void
}

export class LineWatch {
  bars = $state<number | null>(null)
  bytesThisHour = $state(0)
  private timer: ReturnType<typeof setInterval> | undefined
  private before: Look | null = null
  private readonly traffic = new Traffic()
  private badUpSince: number | null = null
  private badDownSince: number | null = null

  constructor(private readonly options: LineWatchOptions) {}

  start(): void {
    this.timer ??= setInterval(() => void this.look(), interval)
  }

  stop(): void {
    clearInterval(this.timer)
    this.timer = undefined
  }

  private async look(): Promise<void> {
    const [down, up] = await Promise.all([this.options.down(), this.options.up()].map((connection) => connection?.getStats().catch(() => null) ?? null))
    this.take(lookAt(down ?? null, up ?? null, performance.now()))
  }

  take(look: Look): void {
    this.traffic.add(look.at, look.bytes)
    this.bytesThisHour = this.traffic.lastHour()
    const loss = this.before ? downLoss(this.before, look) : null
    this.before = look
    if (loss !== null || look.upLoss !== null) this.bars = barsOf(Math.max(loss ?? 0, look.upLoss ?? 0), look.roundTrip)
    this.badUpSince = this.judge((look.upLoss ?? 0) > badUp, this.badUpSince, look.at, this.options.heardBadly)
    this.badDownSince = this.judge((loss ?? 0) > badDown, this.badDownSince, look.at, this.options.lineBad)
  }

  /** Since when it is bad; calls once when that is long enough. */
  private judge(isBad: boolean, since: number | null, at: number, act: () => void): number | null {
    if (!isBad) return null
    if (since === null) return at
    if (at - since >= patience && since !== Infinity) {
      act()
      return Infinity
    }
    return since
  }
}
