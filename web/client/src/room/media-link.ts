/**
 * One WHIP or WHEP session (RFC 9725), kept alive: when the connection is lost, a new one is made in its place, with growing pauses,
 * until it is stopped or the server refuses for good. The server keeps the seat meanwhile.
 *
 * UDP and TCP are in the server's answer and are tried first; where a network lets neither through, the relay on the HTTPS port is.
 */
import { type Client, Problem } from '../api/client'
import { backoff } from '../backoff'
import { emptyFragment } from './sdp'

export type LinkState = 'idle' | 'connecting' | 'live' | 'lost'

/** A connection that is not up after this long is given up and made anew. */
const connectLimit = 8000
/** A connection without the relay that is not up after this long is made anew with it. */
const directLimit = 3000
/** 'disconnected' may heal by itself; after this long it is treated as lost. */
const healLimit = 700

export interface LinkOptions {
  client: Client
  /** Path of the endpoint under the API: /rooms/{room}/whep or …/whip. */
  endpoint: string
  /** Asks for the relay; empty if there is none. */
  relay?(): Promise<RTCIceServer[]>
  /** Adds transceivers and listens for tracks, on every new connection. */
  prepare(connection: RTCPeerConnection): void
  /** Asked before a lost connection is made anew; false ends the link. Throws if it cannot tell, which counts as a failed try. */
  mayReturn?(): Promise<boolean>
  /** Changes the offer before it is used. */
  shape?(sdp: string): string
  changed(state: LinkState): void
  /** The server refuses; the link has stopped. */
  refused(problem: Problem): void
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
  private generation = 0
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(private readonly options: LinkOptions) {}

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

  /** Asks the server whether it still knows the session; makes a new one if not. Called when the event stream was away. */
  async verify(): Promise<void> {
    const { location, connection } = this
    if (this.state !== 'live' || !location || !connection?.localDescription) return
    const headers = { 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': this.etag ?? '*', ...this.options.client.headers() }
    const answer = await fetch(location, { method: 'PATCH', headers, body: emptyFragment(connection.localDescription.sdp) }).catch(() => null)
    if (answer?.status !== 404 || this.connection !== connection) return
    this.location = null
    this.lose()
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
    const connection = new RTCPeerConnection({ bundlePolicy: 'max-bundle', iceServers })
    this.connection = connection
    connection.addEventListener('connectionstatechange', () => isCurrent() && this.follow(connection))
    this.timer = iceServers.length > 0 ? setTimeout(() => isCurrent() && this.lose(), connectLimit) : setTimeout(() => isCurrent() && void this.resort(), directLimit)
    try {
      this.options.prepare(connection)
      const offer = await connection.createOffer()
      const sdp = this.options.shape?.(offer.sdp ?? '') ?? offer.sdp ?? ''
      if (!isCurrent()) return
      await connection.setLocalDescription({ type: 'offer', sdp })
      const answer = await this.options.client.send('POST', this.options.endpoint, { sdp, headers: { 'Content-Type': 'application/sdp', Accept: 'application/sdp' } })
      const location = answer.headers.get('Location')
      if (!isCurrent()) return this.forget(location)
      this.location = location
      this.etag = answer.headers.get('ETag')
      await connection.setRemoteDescription({ type: 'answer', sdp: await answer.text() })
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
        this.set('live')
        break
      case 'disconnected':
        clearTimeout(this.timer)
        this.timer = setTimeout(() => this.connection === connection && this.lose(), healLimit)
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
    this.lose()
  }

  private lose(): void {
    if (this.state !== 'live') this.isRelayed = false
    this.again(backoff(this.attempt++))
  }

  private again(pause: number): void {
    this.drop()
    this.set('lost')
    this.timer = setTimeout(() => void this.restore(), pause)
  }

  /** Closes what there is, without a word to the person. */
  private drop(): void {
    clearTimeout(this.timer)
    this.generation++
    this.connection?.close()
    this.connection = null
    this.forget(this.location)
    this.location = null
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
