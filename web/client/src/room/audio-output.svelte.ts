/** How many speakers are heard at once: the audio m-lines ("slots") of a listening session. */
export const slots = 3

/**
 * The audio elements of the page: one per slot, made once and kept, so that a speaker who comes late, or a connection made anew in a background tab,
 * sounds in an element that is playing already.
 */
export class AudioOutput {
  /** The browser wants a tap before it plays. */
  needsTap = $state(false)
  private elements: HTMLAudioElement[] = []

  /** Call within a tap: marks the elements as wanted by the person, and plays what waits. */
  unlock(): void {
    this.elements = this.elements.length > 0 ? this.elements : Array.from({ length: slots }, () => new Audio())
    this.needsTap = false
    for (const element of this.elements) this.play(element)
  }

  /** Puts a track into its slot. */
  attach(slot: number, track: MediaStreamTrack): void {
    if (this.elements.length === 0) this.elements = Array.from({ length: slots }, () => new Audio())
    const element = this.elements[slot]
    if (!element) return
    element.srcObject = new MediaStream([track])
    this.play(element)
  }

  /** Silence. The elements stay. */
  clear(): void {
    this.needsTap = false
    for (const element of this.elements) element.srcObject = null
  }

  private play(element: HTMLAudioElement): void {
    element.play().catch((error: unknown) => {
      if (error instanceof DOMException && error.name === 'NotAllowedError' && element.srcObject) this.needsTap = true
    })
  }
}
