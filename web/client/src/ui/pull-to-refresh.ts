import type { Attachment } from 'svelte/attachments'

/** How far a finger must pull, in pixels. */
const enough = 80
const start = 16

export interface PullOptions {
  refresh(): Promise<void>
  state(state: 'no' | 'pulling' | 'ready'): void
}

/** Pull down at the top of the page to fetch anew. Everyone else has the button. */
export function pullToRefresh(options: PullOptions): Attachment<HTMLElement> {
  return (node) => {
    let from: number | null = null
    let way = 0
    const begin = (event: TouchEvent) => {
      from = scrollY <= 0 && event.touches.length === 1 ? (event.touches[0]?.clientY ?? null) : null
      way = 0
    }
    const move = (event: TouchEvent) => {
      if (from === null) return
      way = (event.touches[0]?.clientY ?? from) - from
      options.state(way > enough ? 'ready' : way > start ? 'pulling' : 'no')
    }
    const end = () => {
      if (from !== null && way > enough) void options.refresh()
      from = null
      options.state('no')
    }
    node.addEventListener('touchstart', begin, { passive: true })
    node.addEventListener('touchmove', move, { passive: true })
    node.addEventListener('touchend', end)
    node.addEventListener('touchcancel', end)
    return () => {
      node.removeEventListener('touchstart', begin)
      node.removeEventListener('touchmove', move)
      node.removeEventListener('touchend', end)
      node.removeEventListener('touchcancel', end)
    }
  }
}
