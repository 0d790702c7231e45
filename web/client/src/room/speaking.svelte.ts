/** The way up: the microphone by WHIP. Asked for only when the person taps unmute. */
import type { Client, Problem } from '../api/client'
import { type LinkState, MediaLink, relayOf } from './media-link'
import { microphoneLevel, type LevelMeter } from './microphone-level'
import { MuteSync } from './mute-sync'
import { shapeMusic, shapeSaving, shapeSpeech } from './sdp'

/** Why there is no microphone. */
export type Trouble = 'denied' | 'missing' | 'busy' | 'insecure'

export interface SpeakingOptions {
  client: Client
  room: string
  /** The device chosen in the settings; null for the system's choice. */
  device(): string | null
  /** Speech with all its processing, music as it is, or as little data as speech needs. */
  manner(): 'speech' | 'music' | 'saving'
  /** A microphone was opened. */
  opened(track: MediaStreamTrack): void
  mute(): Promise<void>
  unmute(): Promise<void>
  refused(problem: Problem): void
  /** The microphone went away and another took its place. */
  replaced(): void
}

export class Speaking {
  /** What the person wants: nothing of theirs is sent while true. */
  isMuted = $state(true)
  isStarting = $state(false)
  trouble = $state<Trouble | null>(null)
  link = $state<LinkState>('idle')
  private track: MediaStreamTrack | null = null
  private meter: LevelMeter | null = null
  private readonly media: MediaLink
  private readonly sync: MuteSync
  private sender: RTCRtpSender | null = null
  private generation = 0

  constructor(private readonly options: SpeakingOptions) {
    this.sync = new MuteSync((isMuted) => (isMuted ? options.mute() : options.unmute()))
    this.media = new MediaLink({
      client: options.client,
      endpoint: `/rooms/${encodeURIComponent(options.room)}/whip`,
      direction: 'up',
      relay: relayOf(options.client, options.room),
      prepare: (connection) => this.prepare(connection),
      shape: (sdp) => shapes[options.manner()](sdp),
      shapeAnswer: (sdp) => shapes[options.manner()](sdp),
      changed: (state) => this.follow(state),
      refused: (problem) => {
        this.stop()
        options.refused(problem)
      },
    })
  }

  /** Opens the microphone if it is not open, and lets it be heard. Call within a tap. */
  async unmute(): Promise<void> {
    if (!this.isMuted) return
    this.trouble = null
    this.isMuted = false
    if (!this.track && !(await this.open())) {
      this.isMuted = true
      return
    }
    this.listen(!this.isMuted)
    this.media.start()
    if (this.link === 'live') this.sync.want(this.isMuted)
  }

  /** Silent at once; the server is told after. */
  mute(): void {
    if (this.isMuted) return
    this.isMuted = true
    this.listen(false)
    this.sync.want(true)
  }

  /** The server says that this person has been muted; false if that is only the echo of what they did here. */
  muteTold(): boolean {
    if (this.isMuted || this.link !== 'live' || this.isStarting || this.sync.isRecent()) return false
    this.isMuted = true
    this.listen(false)
    this.sync.reset(true)
    return true
  }

  /** Ends the session and gives the microphone back. */
  stop(): void {
    this.generation++
    this.media.stop()
    this.meter?.close()
    this.meter = null
    this.track?.stop()
    this.track = null
    this.isMuted = true
    this.isStarting = false
    this.sync.reset(true)
  }

  /** Changes the microphone while it is open. */
  async changeDevice(): Promise<void> {
    if (!this.track) return
    const old = this.track
    if (await this.open()) old.stop()
  }

  /** The manner has changed: another microphone, and a session that carries it. */
  async changeManner(): Promise<void> {
    await this.changeDevice()
    this.media.remake()
  }

  /** See MediaLink.stayAway. */
  stayAway(time: number): void {
    this.media.stayAway(time)
  }

  verify(): Promise<void> {
    return this.media.verify()
  }

  /** How loud the person is now, 0 to 1, for the ring around their own face. */
  level(): number {
    return this.isMuted || !this.meter ? 0 : this.meter.level()
  }

  get connection(): RTCPeerConnection | null {
    return this.media.connection
  }

  private async open(): Promise<boolean> {
    const generation = ++this.generation
    this.isStarting = true
    try {
      const track = await openMicrophone(this.options.device(), this.options.manner() === 'music')
      if (generation !== this.generation) {
        track.stop()
        return false
      }
      this.use(track)
      this.options.opened(track)
      return true
    } catch (error) {
      if (generation === this.generation) this.trouble = troubleOf(error)
      return false
    } finally {
      if (generation === this.generation) this.isStarting = this.track !== null && this.link !== 'live'
    }
  }

  private use(track: MediaStreamTrack): void {
    track.enabled = !this.isMuted
    track.addEventListener('ended', () => void this.lost(track))
    this.track = track
    this.meter?.close()
    this.meter = microphoneLevel(track)
    void this.sender?.replaceTrack(track).catch(() => {})
  }

  /** The device was unplugged: go on with another, or mute and say so. */
  private async lost(track: MediaStreamTrack): Promise<void> {
    if (track !== this.track) return
    if (await this.open()) {
      this.options.replaced()
      return
    }
    this.mute()
    this.track = null
  }

  private prepare(connection: RTCPeerConnection): void {
    this.sender = connection.addTransceiver(this.track ?? 'audio', { direction: 'sendonly' }).sender
  }

  private follow(state: LinkState): void {
    this.link = state
    if (state === 'live') {
      this.isStarting = false
      this.sync.reset(null)
      this.sync.want(this.isMuted)
    }
    if (state === 'idle') this.sender = null
  }

  private listen(isHeard: boolean): void {
    if (this.track) this.track.enabled = isHeard
  }
}

const shapes = { speech: shapeSpeech, music: shapeMusic, saving: shapeSaving }

async function openMicrophone(device: string | null, isMusic: boolean): Promise<MediaStreamTrack> {
  if (!navigator.mediaDevices) throw new DOMException('no secure context', 'SecurityError')
  const audio: MediaTrackConstraints = { echoCancellation: !isMusic, noiseSuppression: !isMusic, autoGainControl: !isMusic, channelCount: isMusic ? 2 : 1 }
  if (device) audio.deviceId = { ideal: device }
  const stream = await navigator.mediaDevices.getUserMedia({ audio, video: false })
  const track = stream.getAudioTracks()[0]
  if (!track) throw new DOMException('no track', 'NotFoundError')
  if ('contentHint' in track) track.contentHint = isMusic ? 'music' : 'speech'
  return track
}

function troubleOf(error: unknown): Trouble {
  const name = error instanceof DOMException ? error.name : ''
  if (name === 'SecurityError') return 'insecure'
  if (name === 'NotAllowedError') return 'denied'
  if (name === 'NotFoundError' || name === 'OverconstrainedError') return 'missing'
  return 'busy'
}
