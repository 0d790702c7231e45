import { makeConnection } from '../peer-connection'
import { configuration, type Ready } from './media-link'

interface Made extends Ready {
  slots: number
}

/**
 * A connection for the way down whose offer is there before anybody taps: what takes a browser longest is done while the person looks around.
 * It has no local description yet, so no socket is open for it, and nothing of it has left the machine.
 */
export class Spare {
  private made: Made | null = null

  /** Makes one with so many slots, unless there is one. */
  make(slots: number): void {
    if (this.made?.slots === slots) return
    this.drop()
    try {
      const connection = makeConnection(configuration)
      for (let slot = 0; slot < slots; slot++) connection.addTransceiver('audio', { direction: 'recvonly' })
      const made: Made = { connection, slots, offer: connection.createOffer() }
      this.made = made
      made.offer.catch(() => this.made === made && this.drop())
    } catch {
      this.drop() // entering tries again, and tells what is wrong
    }
  }

  /** Gives it away, if it is one with so many slots. */
  take(slots: number): Ready | null {
    const { made } = this
    if (made?.slots !== slots) return null
    this.made = null
    return made
  }

  drop(): void {
    this.made?.connection.close()
    this.made = null
  }
}
