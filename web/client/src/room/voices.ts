/**
 * Who is heard just now: read from the audio itself, frame by frame, and drawn on the faces without passing through any state.
 * A ring appears within a frame of the sound, fades in 300 ms, and never shows on somebody who is muted.
 */
import type { Attachment } from 'svelte/attachments'

const decay = 300
/** A source that has not been renewed for this long is not playing. */
const freshness = 150
/** Sound above this many dBov counts as voice. */
const threshold = -48
const loud = -15

interface Heard {
  stamp: number
  seenAt: number
  /** How many renewals in a row, each fresh. */
  run: number
}

interface Face {
  node: HTMLElement
  csrc: number
  isSelf: boolean
  drawn: number
}

export interface VoiceSources {
  receivers(): RTCRtpReceiver[]
  /** Level of the own microphone, 0 to 1. */
  own(): number
}

/** Level 0…1 as drawn, from a linear amplitude; 0 if it is not voice. */
export function strength(amplitude: number): number {
  if (amplitude <= 0) return 0
  const decibels = 20 * Math.log10(amplitude)
  return decibels < threshold ? 0 : Math.min(1, 0.4 + (0.6 * (decibels - threshold)) / (loud - threshold))
}

/** Of the contributing sources of a slot only the newest is playing; the list keeps those who spoke before. */
export function newest(sources: readonly RTCRtpContributingSource[]): RTCRtpContributingSource | null {
  let last: RTCRtpContributingSource | null = null
  for (const source of sources) if (!last || source.timestamp > last.timestamp) last = source
  return last
}

export class Voices {
  private readonly heard = new Map<number, Heard>()
  private readonly levels = new Map<number, { level: number; at: number }>()
  private readonly faces = new Set<Face>()
  private frame = 0
  private own = { level: 0, at: 0 }

  constructor(private readonly sources: VoiceSources) {}

  start(): void {
    if (this.frame === 0) this.frame = requestAnimationFrame(this.tick)
  }

  stop(): void {
    cancelAnimationFrame(this.frame)
    this.frame = 0
    this.levels.clear()
    for (const face of this.faces) draw(face, 0)
  }

  /** Draws the voice of a speaker on an element: the custom property --voice and, while it sounds, the attribute data-speaking. */
  ring(csrc: number | undefined, isSelf: boolean, isSilent: boolean): Attachment<HTMLElement> {
    return (node) => {
      if (isSilent || (!csrc && !isSelf)) return
      const face: Face = { node, csrc: csrc ?? 0, isSelf, drawn: 0 }
      this.faces.add(face)
      return () => {
        this.faces.delete(face)
        draw(face, 0)
      }
    }
  }

  /** The numbers of those who sound now, the own voice as 0. */
  speaking(now: number = performance.now()): number[] {
    const numbers = [...this.levels].filter(([, voice]) => faded(voice, now) > 0).map(([csrc]) => csrc)
    return faded(this.own, now) > 0 ? [0, ...numbers] : numbers
  }

  private readonly tick = (now: number): void => {
    this.listen(now)
    for (const face of this.faces) {
      const voice = face.isSelf ? this.own : this.levels.get(face.csrc)
      draw(face, voice ? faded(voice, now) : 0)
    }
    this.frame = requestAnimationFrame(this.tick)
  }

  /** Takes note of what the slots play at this moment. */
  listen(now: number): void {
    for (const receiver of this.sources.receivers()) {
      const source = newest(receiver.getContributingSources())
      if (!source) continue
      const level = this.levelOf(source, receiver, now)
      if (level > 0) this.raise(source.source, level, now)
    }
    const level = strength(this.sources.own())
    if (level > 0) this.own = { level, at: now }
  }

  private levelOf(source: RTCRtpContributingSource, receiver: RTCRtpReceiver, now: number): number {
    const before = this.heard.get(source.source)
    if (!before || before.stamp !== source.timestamp) {
      const isRun = before !== undefined && now - before.seenAt < freshness
      this.heard.set(source.source, { stamp: source.timestamp, seenAt: now, run: isRun ? before.run + 1 : 1 })
    }
    const heard = this.heard.get(source.source)
    if (!heard || now - heard.seenAt > freshness) return 0
    const amplitude = source.audioLevel ?? newest(receiver.getSynchronizationSources())?.audioLevel
    if (amplitude !== undefined) return strength(amplitude)
    return heard.run > 1 ? 0.8 : 0 // no level extension: two packets close together are voice, a lone one marks silence (DTX)
  }

  private raise(csrc: number, level: number, now: number): void {
    const voice = this.levels.get(csrc)
    const current = voice ? faded(voice, now) : 0
    this.levels.set(csrc, { level: Math.max(level, current), at: now })
  }
}

function faded(voice: { level: number; at: number }, now: number): number {
  return Math.max(0, voice.level * (1 - (now - voice.at) / decay))
}

function draw(face: Face, level: number): void {
  const step = Math.round(level * 20) / 20
  if (step === face.drawn) return
  face.drawn = step
  face.node.style.setProperty('--voice', String(step))
  face.node.toggleAttribute('data-speaking', step > 0)
}
