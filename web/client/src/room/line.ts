/** How the line is: read from the statistics of the connections. Pure. */

/** What one look at the statistics tells; counters grow. */
export interface Look {
  at: number
  received: number
  lost: number
  bytes: number
  /** Of what this person says, the share that does not reach the server, as the server reports it; null if nothing is said. */
  upLoss: number | null
  roundTrip: number | null
}

/** Bytes that each packet takes beside its sound: IPv4, UDP, RTP with its extensions, and the tag. */
const perPacket = 20 + 8 + 24 + 16

export function lookAt(down: RTCStatsReport | null, up: RTCStatsReport | null, at: number): Look {
  const look: Look = { at, received: 0, lost: 0, bytes: 0, upLoss: null, roundTrip: null }
  for (const one of values(down)) {
    if (one.type === 'inbound-rtp') {
      look.received += Number(one.packetsReceived ?? 0)
      look.lost += Math.max(0, Number(one.packetsLost ?? 0))
      look.bytes += Number(one.bytesReceived ?? 0) + Number(one.packetsReceived ?? 0) * perPacket
    }
    if (one.type === 'candidate-pair' && one.nominated && typeof one.currentRoundTripTime === 'number') look.roundTrip = one.currentRoundTripTime
  }
  for (const one of values(up)) {
    if (one.type === 'outbound-rtp') look.bytes += Number(one.bytesSent ?? 0) + Number(one.packetsSent ?? 0) * perPacket
    if (one.type === 'remote-inbound-rtp' && typeof one.fractionLost === 'number') look.upLoss = one.fractionLost
  }
  return look
}

interface Stats extends Record<string, unknown> {
  type: string
}

function values(report: RTCStatsReport | null): Stats[] {
  const found: Stats[] = []
  report?.forEach((one: Stats) => found.push(one))
  return found
}

/** The share of packets lost on the way down between two looks; null if too few came to tell. */
export function downLoss(before: Look, now: Look): number | null {
  const lost = now.lost - before.lost
  const all = now.received - before.received + lost
  return all < 20 || lost < 0 ? null : lost / all
}

/** From 4 bars, as good as it gets, to 1. */
export function barsOf(loss: number, roundTrip: number | null): number {
  if (loss > 0.15) return 1
  if (loss > 0.05 || (roundTrip ?? 0) > 0.6) return 2
  return loss > 0.02 || (roundTrip ?? 0) > 0.3 ? 3 : 4
}

/** Adds up what was used, also over connections that take one another's place, whose counters begin anew. */
export class Traffic {
  private before = 0
  private readonly looks: { at: number; bytes: number }[] = []

  add(at: number, bytes: number): void {
    this.looks.push({ at, bytes: bytes >= this.before ? bytes - this.before : bytes })
    this.before = bytes
    while ((this.looks[0]?.at ?? at) < at - 3_600_000) this.looks.shift()
  }

  /** Bytes in the last hour. */
  lastHour(): number {
    return this.looks.reduce((sum, look) => sum + look.bytes, 0)
  }
}
