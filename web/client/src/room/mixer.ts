/** Decides how each slot sounds: by who speaks in it now, what the listener wants of them, and where they sit. */
import type { AudioOutput, SlotSound } from './audio-output.svelte'
import { Levelling, panOf } from './levelling'
import { newest } from './voices'

const interval = 100

export interface MixerOptions {
  receivers(): RTCRtpReceiver[]
  output: Pick<AudioOutput, 'mix'>
  /** The stage from left to right: the number that names each in the audio, and how loud the listener wants them. */
  stage(): { csrc: number | undefined; volume: number }[]
  levelling(): boolean
  spatial(): boolean
}

export class Mixer {
  private readonly levelling = new Levelling()
  private timer: ReturnType<typeof setInterval> | undefined

  constructor(private readonly options: MixerOptions) {}

  start(): void {
    this.timer ??= setInterval(() => this.mix(), interval)
  }

  stop(): void {
    clearInterval(this.timer)
    this.timer = undefined
  }

  mix(): void {
    const stage = this.options.stage()
    this.options.output.mix(this.options.receivers().map((receiver) => this.soundOf(receiver, stage)))
  }

  private soundOf(receiver: RTCRtpReceiver, stage: { csrc: number | undefined; volume: number }[]): SlotSound {
    const source = newest(receiver.getContributingSources())
    if (!source) return { gain: 1, pan: 0 }
    const amplitude = source.audioLevel ?? newest(receiver.getSynchronizationSources())?.audioLevel
    if (amplitude !== undefined) this.levelling.hear(source.source, amplitude, interval / 1000)
    const seat = stage.findIndex((person) => person.csrc === source.source)
    const level = this.options.levelling() ? this.levelling.gain(source.source) : 1
    return { gain: (stage[seat]?.volume ?? 1) * level, pan: this.options.spatial() ? panOf(seat, stage.length) : 0 }
  }
}
