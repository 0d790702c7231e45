/** The hallway as the person sees it: cards change where they stand; their order changes only when the person asks. */
import type { Card } from './api/types'

export interface ShownCard extends Card {
  isOver: boolean
}

const calmInterval = 2000

/** Puts fresh facts into the shown cards without moving any. Rooms that are new wait. */
export function updateInPlace(shown: readonly ShownCard[], fresh: readonly Card[]): { cards: ShownCard[]; waiting: number } {
  const byId = new Map(fresh.map((card) => [card.id, card]))
  const cards = shown.map((card) => {
    const now = byId.get(card.id)
    return now ? { ...now, isOver: false } : { ...card, isOver: true }
  })
  const known = new Set(shown.map((card) => card.id))
  return { cards, waiting: fresh.filter((card) => !known.has(card.id)).length }
}

export class Hallway {
  cards = $state.raw<ShownCard[] | null>(null)
  waiting = $state(0)
  isRefreshing = $state(false)
  problem = $state.raw<unknown>(null)
  private timer: ReturnType<typeof setTimeout> | undefined
  private dirty = false
  private isWatched = false

  /** How many rooms are not shown because somebody whom the person blocked is on stage there; `withBlocked` shows them all the same. */
  blocked = $state(0)
  withBlocked = $state(false)

  constructor(private readonly fetchHallway: (withBlocked: boolean) => Promise<{ rooms: Card[]; hidden: { blocked: number } }>) {}

  showBlocked(): Promise<void> {
    this.withBlocked = true
    return this.refresh()
  }

  /** Takes a card away at once; the returned function puts it back. */
  hide(room: string): () => void {
    const before = this.cards
    this.cards = before?.filter((card) => card.id !== room) ?? null
    return () => (this.cards = before)
  }

  private async fetchCards(): Promise<Card[]> {
    const { rooms, hidden } = await this.fetchHallway(this.withBlocked)
    this.blocked = this.withBlocked ? 0 : hidden.blocked
    return rooms
  }

  /** The person looks at the hallway: shows it in its present order, and keeps it fresh until the returned function is called. */
  watch(): () => void {
    this.isWatched = true
    void this.refresh()
    return () => {
      this.isWatched = false
      clearTimeout(this.timer)
      this.timer = undefined
    }
  }

  /** Takes the server's order and everything new. */
  async refresh(): Promise<void> {
    this.isRefreshing = true
    try {
      this.cards = (await this.fetchCards()).map((card) => ({ ...card, isOver: false }))
      this.waiting = 0
      this.problem = null
    } catch (error) {
      this.problem = error
    } finally {
      this.isRefreshing = false
    }
  }

  /** Something changed in the hallway. */
  changed(): void {
    if (!this.isWatched) return
    this.dirty = true
    this.timer ??= setTimeout(() => void this.update(), 200 + Math.random() * calmInterval)
  }

  private async update(): Promise<void> {
    if (this.dirty && !document.hidden) {
      this.dirty = false
      await this.take()
    }
    this.timer = undefined
    if (this.dirty && this.isWatched) this.timer = setTimeout(() => void this.update(), calmInterval)
  }

  private async take(): Promise<void> {
    try {
      const fresh = await this.fetchCards()
      if (!this.cards || this.cards.length === 0 || this.problem) {
        this.cards = fresh.map((card) => ({ ...card, isOver: false }))
        this.problem = null
        return
      }
      const { cards, waiting } = updateInPlace(this.cards, fresh)
      this.cards = cards
      this.waiting = waiting
    } catch {
      this.dirty = true // the next event or the next look tries again
    }
  }
}
