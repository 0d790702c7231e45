const pause = 200

/** Looks for words when the person has paused typing; a new word takes the place of one that waits. */
export class Search {
  private timer: ReturnType<typeof setTimeout> | undefined
  private isFirst = true

  constructor(private readonly look: (words: string) => Promise<void>) {}

  for(words: string): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.look(words), this.isFirst ? 0 : pause)
    this.isFirst = false
  }

  stop(): void {
    clearTimeout(this.timer)
  }
}
