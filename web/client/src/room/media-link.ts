/**
 * One WHIP or WHEP session (RFC 9725), kept alive: when the connection is lost, a new one is made in its place, with growing pauses,
 * until it is stopped or the server refuses for good. The server keeps the seat meanwhile.
 *
 * When only the path is lost (another network, another address) the server still has the session: then a new one is made at once, and
 * the old one is closed when the new one is there.
 *
 * UDP and TCP are in the server's answer and are tried first; where a network lets neither through, the relay on the HTTPS port is.
 */
import { type Client, Problem } from '../api/client'
import { backoff } from '../backoff'
import { makeConnection } from '../peer-connection'
import { FlowWatch } from './flow-watch'
import { emptyFragment, letServerBegin } from './sdp'

export type LinkState = 'idle' | 'connecting' | 'live' | 'lost'

/** A connection that is not up after this long is given up and made anew. */
const connectLimit = 8000
/** A connection without the relay that is not up after this long is made anew with it. */
const directLimit = 3000
/** The server's word on a session is waited for so long. */
const askLimit = 2000
/** When a server that is full does not say when to ask again, in seconds. */
const defaultPause = 5
/** The server sent, or heard, this much later than we saw it: the path is lost. Longer than any pause between packets of silence. */
const pathLimit = 500

/** A connection that has its offer before it is wanted. */
export interface Ready {
  connection: RTCPeerConnection
  offer: Promise<RTCSessionDescriptionInit>
}

export interface LinkOptions {
  client: Client
  /** Path of the endpoint under the API: /rooms/{room}/whep or …/whip. */
  endpoint: string
  /** Which way the sound goes, as the server says it: down to a listener, up from a speaker. */
  direction: 'down' | 'up'
  /** False while nobody is to be heard, so that quiet means nothing. */
  isExpecting?(): boolean
  /** Asks for the relay; empty if there is none. */
  relay?(): Promise<RTCIceServer[]>
  /** Adds transceivers, on every new connection. */
  prepare(connection: RTCPeerConnection): void
  /** A connection that is prepared already, if there is one. */
  ready?(): Ready | null
  /** There is a connection, which is not up yet, and none before it. */
  made?(connection: RTCPeerConnection): void
  /** The connection has come up, and takes the place of the one before. */
  connected?(connection: RTCPeerConnection): void
  /** Asked before a lost connection is made anew, and waited for; false ends the link. Throws if it cannot tell, which counts as a failed try. */
  mayReturn?(): Promise<boolean>
  /** Changes the offer before it is used. */
  shape?(sdp: string): string
  /** Changes the server's answer before it is used: what it says of the codec is what the browser's encoder goes by. */
  shapeAnswer?(sdp: string): string
  changed(state: LinkState): void
  /** The server carries as many people as it can; it is asked again after so many milliseconds. */
  full?(pause: number): void
  /** The server refuses; the link has stopped. */
  refused(problem: Problem): void
}

/**
 * When the server is asked because nothing comes. Speech brings a packet each 20 to 60 ms and silence one each 400 ms; to a speaker comes
 * a report each second. What comes on time in between proves the path.
 */
const quietLimits = { down: [900, 2500], up: [1500, 2700] }

/**
 * A browser that may list the machine's addresses learns of a new one only seconds after it has changed networks. The server needs none
 * of them, so the new session is asked for meanwhile: but that time counts against nobody's firewall.
 */
const blindFor = 2000

/** How every connection is made. */
export const configuration: RTCConfiguration = { bundlePolicy: 'max-bundle' }

/** A session that is no longer heard of. */
interface Former {
  connection: RTCPeerConnection
  location: string | null
}

/** The relay of a room, for MediaLink. */
export function relayOf(client: Client, room: string): () => Promise<RTCIceServer[]> {
  return async () => (await client.call<{ ice_servers: RTCIceServer[] }>('GET', `/rooms/${encodeURIComponent(room)}/ice-servers`)).ice_servers
}

export class MediaLink {
  connection: RTCPeerConnection | null = null
  state: LinkState = 'idle'
  private location: string | null = null
  private etag: string | null = null
  private isRelayed = false
  private attempt = 0
  private notBefore = 0
  private generation = 0
  private timer: ReturnType<typeof setTimeout> | undefined
  /** Goes on, as far as it can, until the one that takes its place is there. */
  private former: Former | null = null
  private isAsking = false
  private readonly watch: FlowWatch

  constructor(private readonly options: LinkOptions) {
    this.watch = new FlowWatch(quietLimits[options.direction], () => {
      if (this.options.isExpecting?.() ?? true) void this.verify()
    })
  }

  /** Connects, if it is not connected already. */
  start(): void {
    if (this.state !== 'idle') return
    globalThis.addEventListener?.('online', this.networkBack)
    this.attempt = 0
    this.set('connecting')
    void this.connect()
  }

  /** Ends the session here. The server ends its side with the seat, with the role, or when it hears the connection close. */
  stop(): void {
    globalThis.removeEventListener?.('online', this.networkBack)
    this.location = null
    this.drop()
    this.set('idle')
  }

  /** Makes the session anew, as if its path were lost: the sound goes on until the new one is there. */
  remake(): void {
    if (this.state === 'live' && this.connection) this.renew(this.connection)
  }

  /** Asks the server how the session is, and makes a new one if it is gone or its path is lost. Called when there is reason to doubt. */
  async verify(): Promise<void> {
    const { connection, generation } = this
    if (this.state !== 'live' || !connection || this.isAsking) return
    this.isAsking = true
    const answer = await this.ask(connection).finally(() => (this.isAsking = false))
    if (generation !== this.generation || this.state !== 'live') return
    if (answer === 'gone') {
      this.location = null
      if (this.options.mayReturn) this.again(Math.max(0, this.notBefore - performance.now())) // the server is there, and who is asked knows the moment
      else this.lose()
    } else if (connection.connectionState !== 'connected') {
      if (answer === 'away') this.lose()
      else this.renew(connection)
    } else if (typeof answer === 'number' && this.isPathLost(answer)) {
      this.renew(connection)
    }
  }

  /** How many milliseconds ago the server sent to us, or heard of us; or what it says else. */
  private async ask(connection: RTCPeerConnection): Promise<number | 'gone' | 'away' | 'there'> {
    if (!this.location || !connection.localDescription) return 'away'
    const headers = { 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': this.etag ?? '*', ...this.options.client.headers() }
    const body = emptyFragment(connection.localDescription.sdp)
    const answer = await fetch(this.location, { method: 'PATCH', headers, body, signal: AbortSignal.timeout(askLimit) }).catch(() => null)
    if (answer?.status === 404) return 'gone'
    if (!answer?.ok) return 'away'
    const age = answer.headers.get('Besedka-Flow-Age')
    return age === null ? 'there' : Number(age)
  }

  private isPathLost(flowAge: number): boolean {
    const quiet = this.watch.quietFor()
    if (this.options.direction === 'down') return quiet - flowAge > pathLimit
    return flowAge > pathLimit && quiet > pathLimit
  }

  /** Makes a session in place of one whose path is lost, and lets that one go on until it is there. */
  private renew(connection: RTCPeerConnection): void {
    clearTimeout(this.timer)
    this.dropFormer()
    this.former = { connection, location: this.location }
    this.connection = null
    this.location = null
    this.set('lost')
    void this.connect()
  }

  /** A connection lost from now on is not made anew before that many milliseconds have passed. */
  stayAway(time: number): void {
    this.notBefore = performance.now() + time
  }

  private readonly networkBack = (): void => {
    this.isRelayed = false
    if (this.state === 'lost') this.again(0)
    else void this.verify()
  }

  private async restore(): Promise<void> {
    const generation = this.generation
    try {
      if (this.options.mayReturn && !(await this.options.mayReturn())) {
        if (generation === this.generation) this.stop()
        return
      }
    } catch (error) {
      if (generation === this.generation) this.fail(error)
      return
    }
    if (generation === this.generation) void this.connect()
  }

  private async connect(): Promise<void> {
    const generation = ++this.generation
    const isCurrent = () => generation === this.generation
    const iceServers = this.isRelayed ? await this.askRelay() : []
    if (!isCurrent()) return
    const ready = iceServers.length === 0 ? (this.options.ready?.() ?? null) : null
    const connection = ready?.connection ?? makeConnection({ ...configuration, iceServers })
    this.connection = connection
    connection.addEventListener('connectionstatechange', () => isCurrent() && this.follow(connection))
    const limit = (iceServers.length > 0 ? connectLimit : directLimit) + (this.former ? blindFor : 0)
    this.timer = setTimeout(() => isCurrent() && (iceServers.length > 0 ? this.lose() : void this.resort()), limit)
    try {
      if (!ready) this.options.prepare(connection)
      if (!this.former) this.options.made?.(connection)
      const offer = await (ready?.offer ?? connection.createOffer())
      const sdp = this.options.shape?.(offer.sdp ?? '') ?? offer.sdp ?? ''
      if (!isCurrent()) return
      // The server needs no addresses of ours, so it is asked while the browser looks for them.
      const asked = this.options.client.send('POST', this.options.endpoint, { sdp: letServerBegin(sdp), headers: { 'Content-Type': 'application/sdp', Accept: 'application/sdp' } })
      const described = connection.setLocalDescription({ type: 'offer', sdp })
      described.catch(() => {}) // whether it failed is asked below, unless that does not matter any more
      const answer = await asked
      const location = answer.headers.get('Location')
      if (!isCurrent()) return this.forget(location)
      this.location = location
      this.etag = answer.headers.get('ETag')
      const accepted = await answer.text()
      await described
      await connection.setRemoteDescription({ type: 'answer', sdp: this.options.shapeAnswer?.(accepted) ?? accepted })
    } catch (error) {
      if (isCurrent()) this.fail(error)
    }
  }

  /** The direct ways take too long: takes the relay if there is one, and waits on if not. */
  private async resort(): Promise<void> {
    const generation = this.generation
    const servers = await this.askRelay()
    if (generation !== this.generation || this.connection?.connectionState === 'connected') return
    if (servers.length === 0 && this.connection?.connectionState === 'failed') return this.lose()
    if (servers.length === 0) {
      this.timer = setTimeout(() => generation === this.generation && this.lose(), connectLimit - directLimit)
      return
    }
    this.isRelayed = true
    this.drop()
    void this.connect()
  }

  private async askRelay(): Promise<RTCIceServer[]> {
    return (await this.options.relay?.().catch(() => [])) ?? []
  }

  private follow(connection: RTCPeerConnection): void {
    switch (connection.connectionState) {
      case 'connected':
        clearTimeout(this.timer)
        this.attempt = 0
        if (this.state === 'live') break // it was away, and has healed
        this.watch.follow(connection)
        this.options.connected?.(connection)
        this.dropFormer()
        this.set('live')
        break
      case 'disconnected':
        if (this.state === 'live') void this.verify()
        break
      case 'failed':
        if (!this.isRelayed && this.state !== 'live') {
          clearTimeout(this.timer)
          void this.resort()
          break
        }
        this.lose()
        break
      case 'closed':
        this.lose()
    }
  }

  private fail(error: unknown): void {
    if (error instanceof Problem && error.status >= 400 && error.status < 500 && error.status !== 408 && error.status !== 429) {
      this.stop()
      this.options.refused(error)
      return
    }
    if (error instanceof Problem && error.code === 'media_busy') this.comeBack(error.retryAfterSeconds ?? defaultPause)
    else {
      this.options.full?.(0)
      this.lose()
    }
  }

  /** Asks again when the server says, and up to half as long later: those whom it sent away must not come back all at once. */
  private comeBack(seconds: number): void {
    const pause = seconds * 1000 * (1 + Math.random() / 2)
    this.again(pause)
    this.options.full?.(pause)
  }

  private lose(): void {
    if (this.state !== 'live') this.isRelayed = false
    this.again(Math.max(backoff(this.attempt++), this.notBefore - performance.now()))
  }

  private again(pause: number): void {
    this.drop()
    this.set('lost')
    this.timer = setTimeout(() => void this.restore(), pause)
  }

  /** Closes what there is, without a word to the person. */
  private drop(): void {
    clearTimeout(this.timer)
    this.watch.follow(null)
    this.generation++
    this.dropFormer()
    this.connection?.close()
    this.connection = null
    this.forget(this.location)
    this.location = null
  }

  private dropFormer(): void {
    this.former?.connection.close()
    this.forget(this.former?.location ?? null)
    this.former = null
  }

  private forget(location: string | null): void {
    if (location) fetch(location, { method: 'DELETE', headers: this.options.client.headers(), keepalive: true }).catch(() => {})
  }

  private set(state: LinkState): void {
    if (state === this.state) return
    this.state = state
    this.options.changed(state)
  }
}
