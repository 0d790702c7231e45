import { describe, expect, it } from 'vitest'
import { barsOf, downLoss, lookAt, Traffic } from './line'

const report = (...all: Record<string, unknown>[]) => new Map(all.map((one, at) => [String(at), one])) as unknown as RTCStatsReport

describe('the line', () => {
  it('is read from the statistics', () => {
    const down = report({ type: 'inbound-rtp', packetsReceived: 90, packetsLost: 10, bytesReceived: 9000 }, { type: 'candidate-pair', nominated: true, currentRoundTripTime: 0.04 })
    const up = report({ type: 'outbound-rtp', packetsSent: 10, bytesSent: 1000 }, { type: 'remote-inbound-rtp', fractionLost: 0.06 })
    expect(lookAt(down, up, 5)).toEqual({ at: 5, received: 90, lost: 10, bytes: 9000 + 1000 + 100 * 68, upLoss: 0.06, roundTrip: 0.04 })
    expect(lookAt(null, null, 5)).toEqual({ at: 5, received: 0, lost: 0, bytes: 0, upLoss: null, roundTrip: null })
  })
  it('tells nothing about loss from a few packets, or from counters that began anew', () => {
    const look = (received: number, lost: number) => ({ at: 0, received, lost, bytes: 0, upLoss: null, roundTrip: null })
    expect(downLoss(look(0, 0), look(90, 10))).toBeCloseTo(0.1)
    expect(downLoss(look(0, 0), look(10, 1))).toBeNull()
    expect(downLoss(look(900, 50), look(90, 1))).toBeNull()
  })
  it('has fewer bars the worse it is', () => expect([0, 0.03, 0.08, 0.3].map((loss) => barsOf(loss, 0.05))).toEqual([4, 3, 2, 1]))
})

describe('traffic', () => {
  it('of a connection made anew is added, and an hour later forgotten', () => {
    const traffic = new Traffic()
    for (const [at, bytes] of [[0, 1000], [1000, 3000], [2000, 500]] as const) traffic.add(at, bytes)
    expect(traffic.lastHour()).toBe(3500)
    traffic.add(3_601_000, 700)
    expect(traffic.lastHour()).toBe(2000 + 500 + 200)
  })
})
