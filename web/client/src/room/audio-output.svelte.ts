/** How many speakers are heard at once: the audio m-lines ("slots") of a listening session. */
export const slots = 3

/** How one slot is to sound now. */
export interface SlotSound {
  /** 1 as it came. */
  gain: number
  /** −1 left, 1 right. */
  pan: number
}

interface Desk {
  context: AudioContext
  limiter: DynamicsCompressorNode
  strips: { source: MediaStreamAudioSourceNode | null; gain: GainNode; pan: StereoPannerNode }[]
}

const glide = 0.05

/**
 * The audio elements of the page: one per slot, made once and kept, so that a speaker who comes late, or a connection made anew in a background tab,
 * sounds in an element that is playing already.
 *
 * Where somebody is to sound louder than they are, or from the left or right, the sound goes over a mixing desk instead, whose strips belong to the
 * slots and stay too; the elements go on without sound, because browsers decode for nothing else.
 */
export class AudioOutput {
  /** The browser wants a tap before it plays. */
  needsTap = $state(false)
  private elements: HTMLAudioElement[] = []
  /** For the steady stream; it plays a file, where the others play tracks. */
  private plain: HTMLAudioElement | null = null
  private desk: Desk | null = null
  private speaker = ''

  /** Call within a tap: marks the elements as wanted by the person, and plays what waits. */
  unlock(): void {
    this.make()
    this.needsTap = false
    for (const element of this.elements) this.play(element)
    void this.desk?.context.resume().catch(() => {})
  }

  /** Puts a track into its slot. */
  attach(slot: number, track: MediaStreamTrack): void {
    this.make()
    const element = this.elements[slot]
    if (!element || (element.srcObject instanceof MediaStream && element.srcObject.getAudioTracks()[0] === track)) return
    const stream = new MediaStream([track])
    element.srcObject = stream
    this.play(element)
    if (this.desk) this.plug(this.desk, slot, stream)
  }

  /** Silence. The elements stay. */
  clear(): void {
    this.needsTap = false
    for (const element of this.elements) element.srcObject = null
    for (const strip of this.desk?.strips ?? []) {
      strip.source?.disconnect()
      strip.source = null
    }
  }

  /** How each slot is to sound. The desk is built when it is first needed. */
  mix(sounds: SlotSound[]): void {
    const needsDesk = sounds.some((sound) => sound.gain > 1 || sound.pan !== 0)
    if (needsDesk && !this.desk) this.build()
    sounds.forEach((sound, slot) => this.set(slot, sound))
  }

  /** Sounds from another device; empty for the system's choice. False if the browser cannot. */
  async choose(speaker: string): Promise<boolean> {
    this.speaker = speaker
    const sinks = [...this.elements, ...(this.plain ? [this.plain] : []), ...(this.desk ? [this.desk.context] : [])]
    const all = await Promise.all(sinks.map((sink) => sendTo(sink, speaker)))
    return all.every(Boolean)
  }

  /** The element that plays the steady stream. */
  steady(): HTMLAudioElement {
    if (!this.plain) {
      this.plain = new Audio()
      if (this.speaker) void sendTo(this.plain, this.speaker)
    }
    return this.plain
  }

  /** Whether the browser holds back what is to sound: the phone was locked, or a call came. */
  isHeldBack(): boolean {
    const isDeskHeld = this.desk !== null && this.desk.context.state !== 'running'
    return isDeskHeld || this.elements.some((element) => element.srcObject !== null && element.paused)
  }

  private make(): void {
    if (this.elements.length > 0) return
    this.elements = Array.from({ length: slots }, () => new Audio())
    if (this.speaker) void this.choose(this.speaker)
  }

  private build(): void {
    const context = new AudioContext({ latencyHint: 'interactive' })
    const limiter = new DynamicsCompressorNode(context, { threshold: -6, knee: 3, ratio: 20, attack: 0.003, release: 0.15 })
    limiter.connect(context.destination)
    const strips = Array.from({ length: slots }, () => {
      const gain = new GainNode(context)
      const pan = new StereoPannerNode(context)
      gain.connect(pan).connect(limiter)
      return { source: null, gain, pan }
    })
    this.desk = { context, limiter, strips }
    if (this.speaker) void sendTo(context, this.speaker)
    this.elements.forEach((element, slot) => element.srcObject instanceof MediaStream && this.desk && this.plug(this.desk, slot, element.srcObject))
    void context.resume().catch(() => {})
  }

  private plug(desk: Desk, slot: number, stream: MediaStream): void {
    const strip = desk.strips[slot]
    if (!strip) return
    strip.source?.disconnect()
    strip.source = desk.context.createMediaStreamSource(stream)
    strip.source.connect(strip.gain)
  }

  private set(slot: number, sound: SlotSound): void {
    const element = this.elements[slot]
    const strip = this.desk?.strips[slot]
    const isDesked = strip !== undefined && this.desk?.context.state === 'running'
    if (element) {
      element.muted = isDesked || sound.gain === 0
      element.volume = Math.min(1, sound.gain)
    }
    if (!strip || !this.desk) return
    const now = this.desk.context.currentTime
    strip.gain.gain.setTargetAtTime(isDesked ? sound.gain : 0, now, glide)
    strip.pan.pan.setTargetAtTime(sound.pan, now, glide)
  }

  private play(element: HTMLAudioElement): void {
    element.play().catch((error: unknown) => {
      if (error instanceof DOMException && error.name === 'NotAllowedError' && element.srcObject) this.needsTap = true
    })
  }
}

async function sendTo(sink: object, device: string): Promise<boolean> {
  if (!('setSinkId' in sink)) return device === ''
  return (sink.setSinkId as (id: string) => Promise<void>).call(sink, device).then(() => true, () => false)
}

/** Whether this browser lets a page choose where it sounds. */
export function canChooseSpeaker(): boolean {
  return 'setSinkId' in HTMLMediaElement.prototype
}
