/**
 * The room as one plain audio stream, some seconds late and only for listening: what a phone goes on playing when it is locked,
 * where it silences WebRTC. One audio element, which fetches by itself; this watches it and begins anew when it breaks.
 */
import { Problem } from '../api/client'
import { backoff } from '../backoff'

/** off; on the way; playing; stopped by the person or the system; lost, and tried again. */
export type SteadyState = 'off' | 'starting' | 'playing' | 'paused' | 'broken'

export interface SteadyOptions {
  /** The element that plays: always the same. */
  element(): HTMLAudioElement
  /** Where to listen this time. */
  address(): Promise<string>
  /** Whether the seat is still held from here; asked before the stream is made anew. */
  mayReturn(): Promise<boolean>
  /** It plays: no other sound is needed. */
  playing(): void
  refused(problem: Problem): void
}

const lookEvery = 2000
/** Without progress for so long it is broken. */
const stuckAfter = 8000
/** A browser may want some seconds of sound before it begins (Firefox: 32 KiB). */
const unbegunAfter = 60_000
/** So much later than what has come is too late: the stream is begun anew where it is now. */
const mostBehind = 12

/** Whether this browser plays the stream. */
export function canListenSteadily(): boolean {
  return typeof Audio !== 'undefined' && new Audio().canPlayType('audio/ogg; codecs=opus') !== ''
}

export class Steady {
  state = $state<SteadyState>('off')
  isOn = $derived(this.state !== 'off')
  private generation = 0
  private attempt = 0
  private notBefore = 0
  private timer: ReturnType<typeof setTimeout> | undefined
  private watch: ReturnType<typeof setInterval> | undefined
  private place = -1
  private movedAt = 0
  private watched: HTMLAudioElement | null = null

  constructor(private readonly options: SteadyOptions) {}

  /** Begins. Call within a tap, or the browser does not let it sound. */
  start(): void {
    if (this.state !== 'off') return
    const element = this.follow()
    element.play().catch(() => {}) // the tap's leave to sound lasts for what is played later
    globalThis.addEventListener?.('online', this.networkBack)
    this.watch = setInterval(() => this.look(), lookEvery)
    this.attempt = 0
    this.begin()
  }

  stop(): void {
    if (this.state === 'off') return
    globalThis.removeEventListener?.('online', this.networkBack)
    clearInterval(this.watch)
    this.drop()
    this.state = 'off'
  }

  pause(): void {
    if (this.state === 'off' || this.state === 'paused') return
    this.drop()
    this.state = 'paused'
  }

  /** Goes on after a pause, with what is said now. Call within a tap. */
  resume(): void {
    if (this.state !== 'paused') return
    this.watched?.play().catch(() => {})
    this.begin()
  }

  /** Begins anew where the room is now. */
  remake(): void {
    if (this.state === 'playing' || this.state === 'starting') this.begin()
  }

  /** Lost from now on, it is not begun anew before that many milliseconds have passed. */
  stayAway(time: number): void {
    this.notBefore = performance.now() + time
  }

  private follow(): HTMLAudioElement {
    if (this.watched) return this.watched
    const element = this.options.element()
    element.addEventListener('playing', () => this.played())
    element.addEventListener('pause', () => this.paused(element))
    for (const end of ['ended', 'error']) element.addEventListener(end, () => this.lose(0))
    this.watched = element
    return element
  }

  private begin(): void {
    clearTimeout(this.timer)
    this.state = 'starting'
    this.moved(-1)
    void this.connect(++this.generation)
  }

  private async connect(generation: number): Promise<void> {
    const element = this.follow()
    try {
      const address = await this.options.address()
      if (generation !== this.generation) return
      element.src = address
      await element.play()
    } catch (error) {
      if (generation === this.generation) this.failed(error)
    }
  }

  private failed(error: unknown): void {
    if (error instanceof Problem && error.status >= 400 && error.status < 500 && error.status !== 408 && error.status !== 429) {
      this.stop()
      this.options.refused(error)
    } else if (error instanceof DOMException && error.name === 'NotAllowedError') {
      this.pause() // a tap is wanted
    } else if (!(error instanceof DOMException && error.name === 'AbortError')) {
      this.lose(error instanceof Problem ? (error.retryAfterSeconds ?? 0) * 1000 : 0)
    }
  }

  private played(): void {
    if (this.state !== 'starting' && this.state !== 'paused') return
    this.attempt = 0
    this.state = 'playing'
    this.options.playing()
  }

  /** The system has stopped it: another app sounds, the headphones are out. */
  private paused(element: HTMLAudioElement): void {
    if (this.state === 'playing' && !element.ended && !element.error) this.state = 'paused'
  }

  /** Tries again after a while, at least that many milliseconds. */
  private lose(pause: number): void {
    if (this.state !== 'starting' && this.state !== 'playing') return
    this.drop()
    this.state = 'broken'
    const rest = Math.max(pause, backoff(this.attempt++), this.notBefore - performance.now())
    this.timer = setTimeout(() => void this.restore(), rest)
  }

  private async restore(): Promise<void> {
    const generation = this.generation
    const mayReturn = await this.options.mayReturn().catch((error: unknown) => (error instanceof Problem && error.status >= 400 && error.status < 500 ? error : null))
    if (generation !== this.generation || this.state !== 'broken') return
    if (mayReturn === true) this.begin()
    else if (mayReturn === false) this.stop()
    else if (mayReturn) this.failed(mayReturn)
    else this.timer = setTimeout(() => void this.restore(), backoff(this.attempt++))
  }

  private readonly networkBack = (): void => {
    if (this.state !== 'broken') return
    clearTimeout(this.timer)
    void this.restore()
  }

  /** Looks whether it goes on, and is not too late. */
  look(now: number = performance.now()): void {
    const element = this.watched
    if (!element || (this.state !== 'playing' && this.state !== 'starting')) return
    if (element.currentTime !== this.place) this.moved(element.currentTime, now)
    else if (now - this.movedAt > (this.state === 'starting' ? unbegunAfter : stuckAfter)) return this.lose(0)
    const { buffered } = element
    if (this.state === 'playing' && buffered.length > 0 && buffered.end(buffered.length - 1) - element.currentTime > mostBehind) this.begin()
  }

  private moved(place: number, now: number = performance.now()): void {
    this.place = place
    this.movedAt = now
  }

  private drop(): void {
    clearTimeout(this.timer)
    this.generation++
    const element = this.watched
    if (!element) return
    element.pause()
    element.removeAttribute('src')
    element.load() // lets go of the connection
  }
}
