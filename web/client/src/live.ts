/** The stream of events: opened once per person, resumed by id, reopened by itself. */
import { type Client, Problem } from './api/client'
import type { LiveEvent } from './api/types'
import { backoff } from './backoff'

/**
 * When to come back to a server that was lost without a word: the server gives each stream its own moment (`retry`), so that all who
 * lose it at once come back evenly spread; one who was told nothing draws lots. Who does not find it then tries again at the same moment
 * of the next such span, so that it stays even whenever the server is there again.
 */
const soonest = 300
const span = 2000
/** How often it is tried like that before the pauses grow. */
const evenTries = 3
/** The longest that a server may keep its clients away, in milliseconds. */
const longestRetry = 30_000

/** The server sends a comment every 10 s; a stream silent for this long is dead. */
const silenceLimit = 25_000
const longestLine = 1 << 20

export interface LiveListener {
  /** An event, in order, each once. `hello` and `reset` are events too. */
  event(event: LiveEvent): void
  /** The stream is open (true) or was lost and is being reopened (false). */
  connected(isConnected: boolean): void
  /** The server refuses this stream for good; it is not tried again. */
  refused(problem: Problem): void
}

interface Frame {
  id: string | null
  data: string
}

/** Cuts a text/event-stream into frames (HTML standard, 9.2.6). Fed with any chunking of the text. */
export class FrameParser {
  private rest = ''
  private data: string[] = []
  private id: string | null = null
  /** When to come back, in milliseconds, as the server said last. */
  retry: number | null = null

  push(chunk: string): Frame[] {
    const frames: Frame[] = []
    const lines = (this.rest + chunk).split(/\r\n|\n|\r(?!$)/)
    this.rest = lines.pop() ?? ''
    if (this.rest.length > longestLine) throw new Error('event too long')
    for (const line of lines) {
      const frame = this.line(line)
      if (frame) frames.push(frame)
    }
    return frames
  }

  private line(line: string): Frame | null {
    if (line === '') {
      const frame = this.data.length > 0 ? { id: this.id, data: this.data.join('\n') } : null
      this.data = []
      this.id = null
      return frame
    }
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'data') this.data.push(value)
    if (field === 'id') this.id = value
    if (field === 'retry' && /^\d+$/.test(value)) this.retry = Math.min(Math.max(Number(value), soonest), longestRetry)
    return null
  }
}

/** One stream for the account and, at a time, one room. */
export class Live {
  private room: string | null = null
  private cursor: string | null = null
  private abort: AbortController | null = null
  private wake: (() => void) | null = null
  /** The server has said that it ends, and when to come back. */
  private retryTime = 0
  /** When to come back if it is lost without a word. */
  private returnTime = soonest + Math.random() * span

  constructor(
    private readonly client: Client,
    private readonly listener: LiveListener,
  ) {}

  /** Opens the stream, or moves it to another room (null: only the account and the hallway). What is missed of the account meanwhile is told after. */
  watch(room: string | null): void {
    if (this.abort && room === this.room) return
    this.stop()
    this.room = room
    this.abort = new AbortController()
    globalThis.addEventListener?.('online', this.hurry)
    void this.run(this.abort.signal)
  }

  /** Closes the stream; watch opens it again. */
  stop(): void {
    globalThis.removeEventListener?.('online', this.hurry)
    this.abort?.abort()
    this.abort = null
  }

  /** Tries again now instead of at the end of the wait. */
  readonly hurry = (): void => this.wake?.()

  private async run(signal: AbortSignal): Promise<void> {
    for (let attempt = 0; !signal.aborted; attempt++) {
      let retryAfter = 0
      try {
        await this.read(signal, () => (attempt = 0))
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof Problem && isFinal(error)) {
          this.abort = null
          return this.listener.refused(error)
        }
        if (error instanceof Problem) retryAfter = (error.retryAfterSeconds ?? 0) * 1000
      }
      if (signal.aborted) return
      this.listener.connected(false)
      await this.pause(Math.max(retryAfter, this.retryTime || this.pauseBefore(attempt)), signal)
      this.retryTime = 0
    }
  }

  private pauseBefore(attempt: number): number {
    if (attempt === 0) return this.returnTime
    return attempt <= evenTries ? span : backoff(attempt)
  }

  /** Reads one connection to its end. */
  private async read(signal: AbortSignal, opened: () => void): Promise<void> {
    const dead = new AbortController()
    const either = AbortSignal.any([signal, dead.signal])
    let watchdog = setTimeout(() => dead.abort(), silenceLimit)
    try {
      const query = this.room ? `?room=${encodeURIComponent(this.room)}` : ''
      const headers: Record<string, string> = { Accept: 'text/event-stream' }
      if (this.cursor) headers['Last-Event-ID'] = this.cursor
      const answer = await this.client.send('GET', `/events${query}`, { headers, signal: either })
      const reader = (answer.body ?? new ReadableStream<Uint8Array<ArrayBuffer>>()).pipeThrough(new TextDecoderStream()).getReader()
      const parser = new FrameParser()
      let isOpen = false
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return
        clearTimeout(watchdog)
        watchdog = setTimeout(() => dead.abort(), silenceLimit)
        if (!isOpen) {
          isOpen = true
          opened()
          this.listener.connected(true)
        }
        for (const frame of parser.push(value)) {
          if (signal.aborted) return
          this.deliver(frame)
        }
        this.returnTime = parser.retry ?? this.returnTime
      }
    } finally {
      clearTimeout(watchdog)
      dead.abort()
    }
  }

  private deliver(frame: Frame): void {
    const event = parseEvent(frame.data)
    if (frame.id) this.cursor = frame.id
    if (!event) return
    if (event.kind === 'server_stopping') this.retryTime = retryTimeOf(event)
    this.listener.event(event)
  }

  private pause(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', finish)
        this.wake = null
        resolve()
      }
      const timer = setTimeout(finish, milliseconds)
      signal.addEventListener('abort', finish)
      this.wake = finish
    })
  }
}

/** A refusal that trying again does not change. Too many requests and a server in trouble pass. */
function isFinal(problem: Problem): boolean {
  return problem.status >= 400 && problem.status < 500 && problem.status !== 408 && problem.status !== 429
}

/** How long a server that ends wants this client to stay away, in milliseconds. */
export function retryTimeOf(event: LiveEvent): number {
  const time = Number(event.data.retry_ms)
  return time >= 0 ? Math.min(time, longestRetry) : 0
}

function parseEvent(data: string): LiveEvent | null {
  try {
    const event = JSON.parse(data) as Partial<LiveEvent>
    return typeof event.kind === 'string' ? { topic: 'account', ...event, kind: event.kind, data: event.data ?? {} } : null
  } catch {
    return null
  }
}

