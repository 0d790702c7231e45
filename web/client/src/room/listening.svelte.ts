/** The way down: three audio slots by WHEP. A listener is never asked for the microphone. */
import type { Client, Problem } from '../api/client'
import { type AudioOutput, slots } from './audio-output.svelte'
import { type LinkState, MediaLink } from './media-link'

/**
 * Delay that the jitter buffer aims at, in milliseconds; 0 leaves it to the browser.
 * Frames of 20 ms need nothing; before a server merges frames to 60 ms this must be at least 60.
 */
const jitterBufferTarget = 0

export class Listening {
  state = $state<LinkState>('idle')
  private readonly link: MediaLink

  constructor(client: Client, room: string, output: AudioOutput, mayReturn: () => Promise<boolean>, refused: (problem: Problem) => void) {
    this.link = new MediaLink({
      client,
      endpoint: `/rooms/${encodeURIComponent(room)}/whep`,
      prepare: (connection) => prepare(connection, output),
      mayReturn,
      changed: (state) => (this.state = state),
      refused,
    })
    this.start = () => this.link.start()
    this.stop = () => {
      this.link.stop()
      output.clear()
    }
  }

  readonly start: () => void
  /** Stops the sound at once and ends the session. */
  readonly stop: () => void

  verify(): Promise<void> {
    return this.link.verify()
  }

  /** The receivers of the slots, for the rings around the faces. */
  receivers(): RTCRtpReceiver[] {
    return this.link.connection?.getReceivers() ?? []
  }

  get connection(): RTCPeerConnection | null {
    return this.link.connection
  }
}

function prepare(connection: RTCPeerConnection, output: AudioOutput): void {
  const transceivers = Array.from({ length: slots }, () => connection.addTransceiver('audio', { direction: 'recvonly' }))
  connection.addEventListener('track', (event) => {
    if (jitterBufferTarget > 0 && 'jitterBufferTarget' in event.receiver) {
      Object.assign(event.receiver, { jitterBufferTarget })
    }
    output.attach(transceivers.indexOf(event.transceiver), event.track)
  })
}
