/** Tells when the page comes back to sight after its sound was cut while nobody saw it. */
export class HiddenWatch {
  private wasCut = false

  constructor(
    /** Whether the browser holds the sound back now. */
    private readonly isHeldBack: () => boolean,
    private readonly back: () => void,
    private readonly page: Pick<Document, 'hidden' | 'addEventListener' | 'removeEventListener'> | undefined = globalThis.document,
  ) {}

  start(): void {
    this.page?.addEventListener('visibilitychange', this.turned)
  }

  stop(): void {
    this.page?.removeEventListener('visibilitychange', this.turned)
  }

  /** The sound has been lost. */
  lost(): void {
    if (this.page?.hidden) this.wasCut = true
  }

  private readonly turned = (): void => {
    if (this.page?.hidden) {
      this.wasCut = false
      return
    }
    const wasCut = this.wasCut || this.isHeldBack()
    this.wasCut = false
    if (wasCut) this.back()
  }
}
