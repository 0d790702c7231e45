/** The way down: three audio slots by WHEP. A listener is never asked for the microphone. */
import type { Client, Problem } from '../api/client'
import { type AudioOutput, slots } from './audio-output.svelte'
import { type LinkState, MediaLink, relayOf } from './media-link'

/**
 * Delay that the jitter buffer aims at in the audience, in milliseconds. The server sends a large
 * audience 60 ms of sound in a packet: with less than this the first such packet comes too late.
 */
const audienceTarget = 60

export class Listening {
  state = $state<LinkState>('idle')
  private readonly link: MediaLink
  private isOnStage = false

  constructor(client: Client, room: string, output: AudioOutput, mayReturn: () => Promise<boolean>, refused: (problem: Problem) => void) {
    this.link = new MediaLink({
      client,
      endpoint: `/rooms/${encodeURIComponent(room)}/whep`,
      relay: relayOf(client, room),
      prepare: (connection) => this.prepare(connection, output),
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

  /** On stage every millisecond counts: there the browser decides how much it delays. */
  place(isOnStage: boolean): void {
    this.isOnStage = isOnStage
    for (const receiver of this.receivers()) this.aim(receiver)
  }

  private aim(receiver: RTCRtpReceiver): void {
    if ('jitterBufferTarget' in receiver) Object.assign(receiver, { jitterBufferTarget: this.isOnStage ? null : audienceTarget })
  }

  private prepare(connection: RTCPeerConnection, output: AudioOutput): void {
    const transceivers = Array.from({ length: slots }, () => connection.addTransceiver('audio', { direction: 'recvonly' }))
    connection.addEventListener('track', (event) => {
      this.aim(event.receiver)
      output.attach(transceivers.indexOf(event.transceiver), event.track)
    })
  }
}
