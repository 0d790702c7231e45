/** How long after a change of our own a word from the server about muting may be the echo of it. */
const echoTime = 1500

/**
 * Tells the server what the microphone is set to, one request after another, always the newest wish:
 * quick taps (applause) go out as fast as the line allows, and never end in the wrong state.
 */
export class MuteSync {
  private wanted: boolean | null = null
  private told: boolean | null = null
  private isSending = false
  private changedAt = -Infinity

  constructor(
    private readonly tell: (isMuted: boolean) => Promise<void>,
    private readonly now: () => number = () => performance.now(),
  ) {}

  want(isMuted: boolean): void {
    this.wanted = isMuted
    this.changedAt = this.now()
    void this.send()
  }

  /** Takes over what the server holds (null: unknown) without telling it. */
  reset(isMuted: boolean | null): void {
    this.wanted = isMuted
    this.told = isMuted
  }

  isRecent(): boolean {
    return this.isSending || this.now() - this.changedAt < echoTime
  }

  private async send(): Promise<void> {
    if (this.isSending) return
    this.isSending = true
    try {
      while (this.wanted !== null && this.wanted !== this.told) {
        const next = this.wanted
        this.told = next
        await this.tell(next)
      }
    } catch {
      this.told = null // unknown; the next change, or the next connection, says it again
    } finally {
      this.isSending = false
      this.changedAt = this.now()
    }
  }
}
