/** Reactions that float over the faces for three seconds; where many are, the numbers only. */
import type { Reaction } from '../api/types'

export const glyphs: Record<Reaction, string> = { clap: '👏', heart: '❤️', laugh: '😂', hundred: '💯', think: '🤔' }
export const reactionNames = Object.keys(glyphs) as Reaction[]

const floats = 3000
const mostShown = 40

export interface Floating {
  id: number
  account: string
  reaction: Reaction
}

/** What an event of kind `reactions` says: single ones, or sums. Anything else in it is left out. */
export function readReactions(data: Record<string, unknown>): { items: { account: string; reaction: Reaction }[]; sums: [Reaction, number][] } {
  const items = Array.isArray(data.items) ? data.items : []
  const counts = typeof data.counts === 'object' && data.counts ? data.counts : {}
  return {
    items: items.filter((item): item is { account: string; reaction: Reaction } => typeof item?.account === 'string' && item.reaction in glyphs),
    sums: Object.entries(counts).filter((pair): pair is [Reaction, number] => pair[0] in glyphs && Number(pair[1]) > 0),
  }
}

/** Keeps what floats just now. `change` is called with each new list. */
export class Reactions {
  private shown: Floating[] = []
  private nextId = 1
  private readonly timers = new Set<ReturnType<typeof setTimeout>>()

  constructor(private readonly change: (floating: Floating[], sums: [Reaction, number][]) => void) {}

  take(data: Record<string, unknown>): void {
    const { items, sums } = readReactions(data)
    const added = items.slice(-mostShown).map((item) => ({ ...item, id: this.nextId++ }))
    this.shown = [...this.shown, ...added].slice(-mostShown)
    this.change(this.shown, sums)
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      const gone = new Set(added.map((one) => one.id))
      this.shown = this.shown.filter((one) => !gone.has(one.id))
      this.change(this.shown, [])
    }, floats)
    this.timers.add(timer)
  }

  stop(): void {
    for (const timer of this.timers) clearTimeout(timer)
    this.timers.clear()
  }
}
