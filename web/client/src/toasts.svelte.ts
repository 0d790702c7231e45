/** Short messages that come and go, and what screen readers are told. */
import { t } from './i18n/index.svelte'

export interface Toast {
  id: number
  text: string
  action?: { label: string; run(): void }
  isProblem: boolean
}

/** When a sentence is heard: at once; when the reader has finished the one before; only by those who asked for it. */
export type Urgency = 'assertive' | 'polite' | 'quiet'

/** One sentence for the ear. It is heard in the regions of one place: those of the page, or of the sheet that lay over it. */
export interface Sentence {
  id: number
  text: string
  place: number
}

const briefTime = 4000
const mostToasts = 4
/** How long a sentence can be read over again; nobody hears it go. */
const sentenceTime = 10_000
/** A sheet that closes takes along what it has only begun to say: that is said again outside. */
const interruptedTime = 700

export class Notices {
  toasts = $state.raw<Toast[]>([])
  sentences = $state.raw<Record<Urgency, Sentence[]>>({ assertive: [], polite: [], quiet: [] })
  private places = [0]
  private nextId = 1
  private readonly timers = new Map<number, ReturnType<typeof setTimeout>>()
  private readonly saidAt = new Map<number, number>()

  /** Shows a message and says it; one with an action stays for as long as the action is possible. */
  show(text: string, options: { action?: Toast['action']; forMilliseconds?: number; isProblem?: boolean; isUrgent?: boolean } = {}): number {
    const id = this.nextId++
    const { action } = options
    const toast: Toast = { id, text, isProblem: options.isProblem ?? false, ...(action ? { action } : {}) }
    for (const old of this.toasts.slice(0, Math.max(0, this.toasts.length - mostToasts + 1))) this.dismiss(old.id)
    this.toasts = [...this.toasts.filter((other) => other.text !== text), toast]
    this.timers.set(id, setTimeout(() => this.dismiss(id), options.forMilliseconds ?? briefTime))
    this.tell(options.isUrgent ? 'assertive' : 'polite', action ? `${text}. ${t('notice_key', { action: action.label })}` : text)
    return id
  }

  dismiss(id: number): void {
    clearTimeout(this.timers.get(id))
    this.timers.delete(id)
    this.toasts = this.toasts.filter((toast) => toast.id !== id)
  }

  /** Whoever is about to answer a message has all the time they need. */
  keep(): void {
    for (const timer of this.timers.values()) clearTimeout(timer)
    this.timers.clear()
  }

  /** Speaks when the reader has finished its sentence. */
  say(text: string): void {
    this.tell('polite', text)
  }

  /** Speaks at once. Only for what changes the person's own standing. */
  interrupt(text: string): void {
    this.tell('assertive', text)
  }

  /** For those who want to hear of everything: who comes and goes, who claps. */
  mention(text: string): void {
    this.tell('quiet', text)
  }

  /** A sheet lies over the page, which readers cannot hear from now on. */
  openPlace(): number {
    const place = this.nextId++
    this.places = [...this.places, place]
    return place
  }

  closePlace(place: number): void {
    this.places = this.places.filter((one) => one !== place)
    for (const urgency of ['assertive', 'polite'] as const) {
      const cut = this.sentences[urgency].filter((one) => one.place === place && Date.now() - (this.saidAt.get(one.id) ?? 0) < interruptedTime)
      for (const one of cut) this.tell(urgency, one.text)
    }
  }

  private tell(urgency: Urgency, text: string): void {
    const id = this.nextId++
    this.change(urgency, (all) => [...all, { id, text, place: this.places.at(-1) ?? 0 }])
    this.saidAt.set(id, Date.now())
    setTimeout(() => {
      this.saidAt.delete(id)
      this.change(urgency, (all) => all.filter((one) => one.id !== id))
    }, sentenceTime)
  }

  private change(urgency: Urgency, change: (all: Sentence[]) => Sentence[]): void {
    this.sentences = { ...this.sentences, [urgency]: change(this.sentences[urgency]) }
  }
}
