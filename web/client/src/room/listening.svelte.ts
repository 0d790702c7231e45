/** The way down: three audio slots by WHEP. A listener is never asked for the microphone. */
import type { Client, Problem } from '../api/client'
import { type AudioOutput, slots } from './audio-output.svelte'
import { Calming } from './calming'
import { Cushion } from './cushion'
import { type LinkState, MediaLink, type Ready, relayOf } from './media-link'
import { renewReceivers } from './receivers'
import { shapeListening } from './sdp'
import type { Spare } from './spare'

/**
 * Delay that the jitter buffer aims at in the audience, in milliseconds, at least (see Cushion). The server sends a large
 * audience 60 ms of sound in a packet: with less than 60 the first such packet comes too late, and
 * some more is for the unrest of the network.
 */
const audienceTarget = 80

export class Listening {
  state = $state<LinkState>('idle')
  /** The server is full: in so many seconds it is asked again. 0 if it is not, as far as is known. */
  fullFor = $state(0)
  private readonly link: MediaLink
  private readonly cushion = new Cushion(audienceTarget, () => this.place(this.isOnStage))
  private readonly calming = new Calming(() => (this.isOnStage ? 0 : this.cushion.target), (connection) => this.renew(connection))
  private isExpecting = true
  private isOnStage = false

  /** `lost` is called when the way is lost: then the way up is to be doubted too. */
  constructor(client: Client, room: string, output: AudioOutput, mayReturn: () => Promise<boolean>, refused: (problem: Problem) => void, lost: () => void, private readonly isSaving: () => boolean = () => false, private readonly spare: Spare | null = null) {
    this.link = new MediaLink({
      client,
      endpoint: `/rooms/${encodeURIComponent(room)}/whep`,
      direction: 'down',
      isExpecting: () => this.isExpecting,
      relay: relayOf(client, room),
      shape: shapeListening,
      prepare: (connection) => this.prepare(connection),
      ready: () => this.ready(),
      made: (connection) => play(connection, output), // the way to the loudspeaker opens meanwhile
      connected: (connection) => {
        play(connection, output)
        this.cushion.follow(connection)
        this.calming.follow(connection)
      },
      mayReturn,
      changed: (state) => {
        this.state = state
        if (state === 'lost') lost()
        else this.fullFor = 0
      },
      full: (pause) => (this.fullFor = Math.ceil(pause / 1000)),
      refused,
    })
    this.start = () => this.link.start()
    this.stop = () => {
      this.link.stop()
      this.cushion.follow(null)
      this.calming.follow(null)
      output.clear()
    }
  }

  readonly start: () => void
  /** Stops the sound at once and ends the session. */
  readonly stop: () => void

  /** See MediaLink.stayAway. */
  stayAway(time: number): void {
    this.link.stayAway(time)
  }

  /** Makes the session anew, as after a change of the settings, or when somebody is not heard. */
  remake(): void {
    this.link.remake()
  }

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

  /** Whether anybody else is to be heard; if not, quiet means nothing. */
  expect(isSomebodyUnmuted: boolean): void {
    this.isExpecting = isSomebodyUnmuted
  }

  private aim(receiver: RTCRtpReceiver): void {
    if ('jitterBufferTarget' in receiver) Object.assign(receiver, { jitterBufferTarget: this.isOnStage ? null : this.cushion.target })
  }

  private async renew(connection: RTCPeerConnection): Promise<void> {
    await renewReceivers(connection, shapeListening)
    this.place(this.isOnStage)
  }

  private prepare(connection: RTCPeerConnection): void {
    const wanted = slotsFor(this.isSaving())
    for (let slot = 0; slot < wanted; slot++) this.aim(connection.addTransceiver('audio', { direction: 'recvonly' }).receiver)
  }

  private ready(): Ready | null {
    const ready = this.spare?.take(slotsFor(this.isSaving())) ?? null
    ready?.connection.getReceivers().forEach((receiver) => this.aim(receiver))
    return ready
  }
}

/** How many speakers are listened to at once: who saves hears whoever is loudest. */
export function slotsFor(isSaving: boolean): number {
  return isSaving ? 1 : slots
}

/** Puts each slot's sound where the connection before had its own, which may sound until now. */
function play(connection: RTCPeerConnection, output: AudioOutput): void {
  connection.getReceivers().forEach((receiver, slot) => output.attach(slot, receiver.track))
}
