/** What is known of a room: the last view of the server, with every event since applied to it. */
import type { LiveEvent, RoomView } from '../api/types'
import { circlesOf, isModerator, isOnStage } from './circles'
import { applyEvent, type Urgency } from './facts'
import type { Viewer } from './powers'

const shortestInterval = 300

/**
 * How long to wait before asking the server again, in milliseconds. The more people are in the room, the more of them ask because of the same event,
 * so the wait grows with the room, as the server says by `within`, and is left to chance.
 */
export function waitBefore(urgency: Exclude<Urgency, 'no'>, people: number, within: number, random: number): number {
  if (urgency === 'now') return 0
  if (urgency === 'soon') return 100 + random * Math.min(3000, people * 2)
  return 250 + random * within
}

export interface RoomStateOptions {
  self: string
  fetch(): Promise<RoomView>
  /** The server gave a new view. */
  refreshed?(view: RoomView): void
  failed?(error: unknown): void
  random?: () => number
}

export class RoomState {
  view: RoomView
  circles = $derived.by(() => circlesOf(this.view.participants))
  isOnStage = $derived.by(() => isOnStage(this.view.me))
  isModerator = $derived.by(() => isModerator(this.view.me))
  viewer: Viewer = $derived.by(() => ({ account: this.options.self, role: this.view.me.role }))
  private timer: ReturnType<typeof setTimeout> | undefined
  private dueAt = Infinity
  private isFetching = false
  private isStopped = false
  private lastFetchAt = -Infinity

  constructor(
    view: RoomView,
    private readonly options: RoomStateOptions,
  ) {
    this.view = $state.raw(view)
  }

  /** Applies an event at once and asks the server for the rest when it matters. */
  apply(event: LiveEvent): void {
    const { view, refetch } = applyEvent(this.view, event, this.options.self)
    this.view = view
    if (refetch !== 'no') this.refetch(refetch)
  }

  /** Takes the view that a command answered with, unless something newer is known. */
  replace(view: RoomView): void {
    if (view.seq < this.view.seq) {
      this.refetch('soon')
      return
    }
    this.view = view
  }

  person(account: string) {
    return this.view.participants.find((one) => one.account === account) ?? null
  }

  /** Asks the server for the view, no later than the urgency says; calls in between are gathered into one. */
  refetch(urgency: Exclude<Urgency, 'no'>): void {
    const random = (this.options.random ?? Math.random)()
    const now = performance.now()
    const due = Math.max(now + waitBefore(urgency, this.view.counts.all, this.view.refetch_after_ms, random), this.lastFetchAt + shortestInterval)
    if (this.isStopped || due >= this.dueAt) return
    this.dueAt = due
    clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.fetch(), due - now)
  }

  stop(): void {
    this.isStopped = true
    clearTimeout(this.timer)
  }

  private async fetch(): Promise<void> {
    if (this.isFetching) {
      this.timer = setTimeout(() => void this.fetch(), shortestInterval)
      return
    }
    this.isFetching = true
    this.dueAt = Infinity
    this.lastFetchAt = performance.now()
    try {
      const view = await this.options.fetch()
      if (this.isStopped) return
      this.replace(view)
      this.options.refreshed?.(view)
    } catch (error) {
      if (!this.isStopped) this.options.failed?.(error)
    } finally {
      this.isFetching = false
    }
  }
}
