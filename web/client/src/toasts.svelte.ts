/** Short messages that come and go, and the live regions that screen readers speak. */

export interface Toast {
  id: number
  text: string
  action?: { label: string; run(): void }
  isProblem: boolean
}

const briefTime = 4000
const mostToasts = 4

export class Notices {
  toasts = $state.raw<Toast[]>([])
  polite = $state('')
  assertive = $state('')
  private nextId = 1
  private isOdd = false
  private readonly timers = new Map<number, ReturnType<typeof setTimeout>>()

  /** Shows a message; one with an action stays for as long as the action is possible. */
  show(text: string, options: { action?: Toast['action']; forMilliseconds?: number; isProblem?: boolean } = {}): number {
    const id = this.nextId++
    const toast: Toast = { id, text, isProblem: options.isProblem ?? false, ...(options.action ? { action: options.action } : {}) }
    for (const old of this.toasts.slice(0, Math.max(0, this.toasts.length - mostToasts + 1))) this.dismiss(old.id)
    this.toasts = [...this.toasts.filter((other) => other.text !== text), toast]
    this.timers.set(id, setTimeout(() => this.dismiss(id), options.forMilliseconds ?? briefTime))
    return id
  }

  dismiss(id: number): void {
    clearTimeout(this.timers.get(id))
    this.timers.delete(id)
    this.toasts = this.toasts.filter((toast) => toast.id !== id)
  }

  /** Speaks when the reader has finished its sentence. */
  say(text: string): void {
    this.polite = this.anew(text)
  }

  /** Speaks at once. Only for what changes the person's own standing. */
  interrupt(text: string): void {
    this.assertive = this.anew(text)
  }

  /** The text, changed by a space that nobody hears, so that a sentence said twice is spoken twice. */
  private anew(text: string): string {
    this.isOdd = !this.isOdd
    return this.isOdd ? text : `${text}\u00a0`
  }
}
