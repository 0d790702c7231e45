/**
 * Being in a room: the seat, the sound both ways, and the state, together. It lives beside the pages, so the room plays on while the person browses.
 * Everything a person can do in a room is a method here; what goes wrong is said in a toast.
 */
import { untrack } from 'svelte'
import { roomCalls, type RoomCalls } from '../api/calls'
import { type Client, Problem, refusedWith } from '../api/client'
import type { LiveEvent, Participant, Reaction, RemovalReason, RoomView } from '../api/types'
import { list, t } from '../i18n/index.svelte'
import { explain } from '../i18n/problem'
import type { Notices } from '../toasts.svelte'
import type { AudioOutput } from './audio-output.svelte'
import type { SoundSettings } from '../sound-settings.svelte'
import { LineWatch } from './line-watch.svelte'
import { Beside, type BesideTab } from './beside.svelte'
import { Listening } from './listening.svelte'
import { HiddenWatch } from './hidden-watch'
import { clearMediaSession, showMediaSession, steerPlayback } from './media-session'
import { Mixer } from './mixer'
import { type Floating, Reactions } from './reactions'
import { RoomState } from './room-state.svelte'
import { Speaking } from './speaking.svelte'
import type { Spare } from './spare'
import { canListenSteadily, Steady } from './steady.svelte'
import { mentionComings, mentionReactions, tell } from './tell'
import { Voices } from './voices'

/** Where the person stands: on the way in, in, or out for one of several reasons. */
export type Phase = 'entering' | 'in' | 'left' | 'ended' | 'removed' | 'full' | 'taken' | 'gone' | 'failed'

/** The sheets over a room. */
export type Sheet =
  | 'hand' | 'hands' | 'hand-over' | 'help' | 'menu' | 'invite' | 'title' | 'end' | 'settings' | 'log' | 'share' | 'people' | 'speaker-links' | 'suggested' | 'sound' | 'pin' | 'beside'

const undoTime = 30_000
const offerTime = 15_000
/** What comes back waits so long, in milliseconds, for a stream of events that is lost. */
const streamPatience = 5000
const handKnown = 'besedka.hand-known'

export interface SessionOptions {
  client: Client
  room: string
  /** Own account, or guest id. */
  self: string
  output: AudioOutput
  /** The connection that may be ready already. */
  spare: Spare | null
  notices: Notices
  device(): string | null
  sound: SoundSettings
  /** The person is out, by whatever way. */
  over(session: RoomSession): void
  /** Whether the seat is still held from here, and not from another device. */
  holdsSeat(): Promise<boolean>
  /** Opens the event stream of the room. */
  watch(): void
}

export class RoomSession {
  phase = $state<Phase>('entering')
  state = $state.raw<RoomState | null>(null)
  /** The event stream is away. */
  isStreamLost = $state(false)
  /** On stage, and not yet heard since: shows the hint. */
  isFresh = $state(true)
  failure = $state('')
  /** Which sheet of the room is open; the keyboard opens some of them too. */
  sheet = $state<Sheet | null>(null)
  /** Whose half-sheet is open, and whose turn is being set. */
  shown = $state.raw<Participant | null>(null)
  timing = $state<string | null>(null)
  /** A person whom somebody on stage has blocked waits for a second yes. */
  confirming = $state<string | null>(null)
  /** What floats over the faces, and the sums of a large room. */
  floating = $state.raw<Floating[]>([])
  sums = $state.raw<[Reaction, number][]>([])
  removalReason = $state<string | null>(null)
  readonly listening: Listening
  /** In place of listening: for phones that silence it when they are locked. */
  readonly steady: Steady
  readonly speaking: Speaking
  readonly voices: Voices
  readonly line: LineWatch
  readonly beside: Beside
  readonly sound: SoundSettings
  private readonly mixer: Mixer
  readonly calls: RoomCalls
  readonly room: string
  readonly self: string
  isReconnecting = $derived.by(() => this.phase === 'in' && (this.isStreamLost || this.listening.state === 'lost' || this.steady.state === 'broken' || this.speaking.link === 'lost'))
  /** As far as this client can tell; the server decides. */
  mayRaiseHand = $derived.by(() => {
    const view = this.state?.view
    if (!view || view.hands === 'off' || view.me.overflow) return false
    return view.hands !== 'followed' || this.state?.person(this.self)?.followed_by_speakers === true
  })
  /** Just come on stage and not heard yet: the big hint is due. */
  isHinting = $derived.by(() => this.isFresh && this.state?.isOnStage === true && this.speaking.isMuted && !this.speaking.isStarting && !this.speaking.trouble && !this.state.view.me.silenced)
  private readonly hidden: HiddenWatch
  private wasOffered = false
  private lastView: RoomView | null = null
  private readonly streamWaiters: (() => void)[] = []
  private readonly reactions = new Reactions((floating, sums) => {
    this.floating = floating
    this.sums = sums
  })

  constructor(private readonly options: SessionOptions) {
    const { client, room } = options
    this.room = room
    this.self = options.self
    this.calls = roomCalls(client, room)
    this.listening = new Listening(client, room, options.output, () => this.mayReturn(), (problem) => this.refused(problem), () => this.lost(), () => options.sound.isSaving, options.spare)
    this.steady = new Steady({
      element: () => options.output.steady(),
      address: () => this.calls.openStream(),
      mayReturn: () => this.mayReturn(),
      playing: () => this.listening.stop(),
      refused: (problem) => this.refused(problem),
    })
    this.hidden = new HiddenWatch(() => options.output.isHeldBack(), () => this.offerSteady())
    this.speaking = new Speaking({
      client,
      room,
      device: options.device,
      manner: () => (options.sound.music ? 'music' : options.sound.isSaving ? 'saving' : 'speech'),
      opened: (track) => this.warnOfHeadset(track),
      mute: () => this.calls.mute(),
      unmute: () => this.calls.unmute(),
      refused: (problem) => (refusedWith(problem, 'not_on_stage') ? this.state?.refetch('now') : this.refused(problem)),
      replaced: () => options.notices.show(t('toast_microphone_gone')),
    })
    this.voices = new Voices({ receivers: () => this.listening.receivers(), own: () => this.speaking.level() })
    this.sound = options.sound
    this.beside = new Beside(this.calls, options.self)
    this.mixer = new Mixer({
      receivers: () => this.listening.receivers(),
      output: options.output,
      stage: () => (this.state?.circles.stage ?? []).map((person) => ({ csrc: person.csrc, volume: options.sound.volume(person.account) })),
      levelling: () => options.sound.levelling,
      spatial: () => options.sound.spatial,
    })
    this.line = new LineWatch({
      down: () => this.listening.connection,
      up: () => (this.speaking.isMuted ? null : this.speaking.connection),
      heardBadly: () => options.notices.show(t('heard_badly'), { isUrgent: true }),
      lineBad: () => this.saveByItself(),
    })
  }

  get title(): string {
    const view = this.state?.view
    return view ? view.title || t('untitled_room', { name: view.host.name }) : ''
  }

  /**
   * Takes a seat and begins to listen, both at once: to listen is to enter (whichever the server hears first), and waiting for the view would
   * cost a round trip. Only where entering says more than that does it come first.
   */
  async enter(way: { overflow?: true; speaker_link?: string } = {}): Promise<void> {
    if (Object.keys(way).length === 0) this.listening.start()
    try {
      this.begin(await this.calls.enter(way))
    } catch (error) {
      this.refused(error)
    }
  }

  /** Goes on from the view that opening the room answered with: the creator is seated already. */
  begin(view: RoomView): void {
    if (this.phase !== 'entering') return
    $effect.root(() => {
      this.state = this.stateOf(view) // apart from the page that is open now: the room outlives it
      $effect(() => this.listening.place(this.state?.isOnStage === true))
      $effect(() => {
        if (this.state?.isOnStage) untrack(() => this.listenSteadily(false)) // who speaks must hear what is said now
      })
      $effect(() => this.listening.expect(this.state?.circles.stage.some((person) => person.account !== this.self && !person.muted && person.connected) === true))
    })
    this.phase = 'in'
    this.listening.start()
    this.voices.start()
    this.mixer.start()
    this.line.start()
    this.hidden.start()
    this.options.watch()
    showMediaSession(this.title, view.host, { leave: () => void this.leave(), toggleMute: () => this.toggleMute() })
  }

  /** Listens by the steady stream, or live again. Call within a tap. */
  listenSteadily(isSteady: boolean): void {
    if (this.phase !== 'in' || isSteady === this.steady.isOn) return
    if (isSteady) {
      if (this.state?.isOnStage || !canListenSteadily()) return
      this.steady.start()
      steerPlayback({ play: () => this.steady.resume(), pause: () => this.steady.pause() })
    } else {
      this.steady.stop()
      steerPlayback(null)
      this.listening.start()
    }
  }

  /** Makes the way down anew, whichever it is. */
  soundAnew(): void {
    this.steady.remake()
    this.listening.remake()
  }

  /** Leaves quietly: the sound stops now, the server is told behind. */
  async leave(): Promise<void> {
    const wasIn = this.phase === 'in'
    this.finish('left')
    if (wasIn) await this.calls.leave().catch(() => {})
  }

  /** The one tap: leaves at once, but the last moderator is asked first who goes on. */
  leaveQuietly(): void {
    if (this.isLastModerator()) this.sheet = 'hand-over'
    else void this.leave()
  }

  /** Gives the room up here because it goes on elsewhere; the seat stays. */
  yieldSeat(): void {
    this.finish('taken')
  }

  /** An event of this room, or about this person's place in it. */
  event(event: LiveEvent): void {
    if (this.phase !== 'in' || !this.state) return
    const before = this.state.view
    if (event.seq && event.seq > 0 && event.topic === 'room' && event.seq <= before.seq) return
    if (event.kind === 'reactions') {
      mentionReactions(event.data, before, this.options.notices)
      return this.reactions.take(event.data)
    }
    this.beside.event(event)
    this.state.apply(event)
    tell(event, before, this.self, this.options.notices)
    this.follow(event)
    if (event.kind !== 'removed' || event.data.by === this.self) return
    const person = before.participants.find((one) => one.account === event.data.account)
    if (person && person.account !== this.self) this.offerUndo(person)
  }

  /** The event stream opened or was lost. */
  streamConnected(isConnected: boolean): void {
    if (isConnected && this.isStreamLost) {
      void this.listening.verify()
      void this.speaking.verify()
    }
    this.isStreamLost = !isConnected
    if (isConnected) this.streamWaiters.splice(0).forEach((go) => go())
  }

  /** The server is about to end, and another takes its place: the sound may play on until it stops, and comes back after that time. */
  serverStopping(retryTime: number): void {
    this.listening.stayAway(retryTime)
    this.steady.stayAway(retryTime)
    this.speaking.stayAway(retryTime)
  }

  /** The server, or the network, refused something without which there is no being in the room. */
  refused(error: unknown): void {
    if (refusedWith(error, 'removed_from_room')) return this.finish('removed')
    if (refusedWith(error, 'room_ended')) return this.finish('ended')
    if (refusedWith(error, 'room_full')) return this.finish('full')
    if (error instanceof Problem && (error.status === 404 || error.status === 403)) return this.finish('gone')
    this.failure = explain(error)
    this.finish('failed')
  }

  /** The seat was taken from somewhere; if it was not from here, the room ends here. */
  async seatTaken(): Promise<void> {
    await this.mayReturn().catch(() => {})
  }

  /** The account was told that it was removed from this room, and why. */
  removed(reason: string | null): void {
    this.removalReason = reason
    if (this.phase === 'in' || this.phase === 'gone') this.finish('removed')
  }

  toggleMute(): void {
    const me = this.state?.view.me
    if (!this.state?.isOnStage || me?.silenced) return
    if (this.speaking.isMuted) void this.unmute()
    else this.mute()
  }

  mute(): void {
    this.speaking.mute()
    this.options.notices.say(t('say_muted'))
  }

  async unmute(): Promise<void> {
    if (!this.state?.isOnStage || this.state.view.me.silenced) return
    await this.speaking.unmute()
    if (this.speaking.isMuted) return
    this.isFresh = false
    this.options.notices.say(t('say_unmuted'))
  }

  /** Answers who is speaking just now. */
  sayWhoSpeaks(): void {
    const numbers = new Set(this.voices.speaking())
    const names = (this.state?.circles.stage ?? [])
      .filter((person) => (person.account === this.self ? numbers.has(0) : person.csrc !== undefined && numbers.has(person.csrc)))
      .map((person) => person.name)
    this.options.notices.show(names.length > 0 ? t('say_speaking', { names: list(names) }) : t('say_nobody_speaking'))
  }

  /** Raises or lowers the own hand. The first time ever, a sheet explains what a hand is. */
  toggleHand(): void {
    const view = this.state?.view
    if (!view || this.state?.isOnStage) return
    if (view.me.hand) void this.lowerHand()
    else if (!this.mayRaiseHand) this.options.notices.show(t(view.hands === 'off' ? 'hands_off_text' : 'hands_followed_text'))
    else if (localStorage.getItem(handKnown) && view.queue_rule !== 'alternate') void this.raiseHand('')
    else this.sheet = 'hand'
  }

  raiseHand(note: string, group = ''): Promise<boolean> {
    return this.attempt(async () => {
      await this.calls.raiseHand(note, group)
      localStorage.setItem(handKnown, '1')
      this.patchHand({ raised_at: new Date().toISOString(), note })
    })
  }

  lowerHand(): Promise<boolean> {
    return this.attempt(async () => {
      await this.calls.lowerHand()
      this.patchHand(null)
      this.options.notices.say(t('say_hand_down'))
    })
  }

  /** Asks somebody up. If a speaker has blocked them, asks the moderator first; says whether it was done at once. */
  async inviteToStage(account: string, isConfirmed = false): Promise<boolean> {
    try {
      const { on_stage } = await this.calls.inviteToStage(account, isConfirmed)
      if (!on_stage) this.options.notices.show(t('invited_to_stage'))
      this.state?.refetch('soon')
      return true
    } catch (error) {
      if (refusedWith(error, 'blocked_on_stage') && !isConfirmed) this.confirming = account
      else this.options.notices.show(explain(error), { isProblem: true })
      return false
    }
  }

  acceptStage(): Promise<boolean> {
    return this.attempt(async () => this.take(await this.calls.acceptStage()))
  }

  declineStage(): Promise<boolean> {
    return this.attempt(async () => {
      await this.calls.declineStage()
      this.patchMe({ stage_invitation: null })
    })
  }

  acceptHeir(): Promise<boolean> {
    return this.attempt(async () => this.take(await this.calls.acceptHeir()))
  }

  declineHeir(): Promise<boolean> {
    this.patchMe({ heir_offer: false })
    return this.attempt(() => this.calls.declineHeir())
  }

  /** Removes a person; the toast offers to undo it for as long as the server allows, to the other moderators as well. */
  remove(person: Pick<Participant, 'account' | 'name'>, reason: RemovalReason, note: string): Promise<boolean> {
    return this.attempt(async () => {
      await this.calls.remove(person.account, reason, note)
      this.offerUndo(person)
      this.state?.refetch('now')
    })
  }

  private offerUndo(person: Pick<Participant, 'account' | 'name'>): void {
    this.options.notices.show(t('removed_toast', { name: person.name }), {
      forMilliseconds: undoTime,
      action: { label: t('undo'), run: () => void this.undoRemoval(person) },
    })
  }

  undoRemoval(person: Pick<Participant, 'account' | 'name'>): Promise<boolean> {
    return this.attempt(async () => {
      await this.calls.undoRemoval(person.account)
      this.options.notices.show(t('removed_undone', { name: person.name }))
    })
  }

  end(): Promise<boolean> {
    return this.attempt(async () => {
      await this.calls.end()
      this.finish('ended')
    })
  }

  /** Runs a command of the room; says what went wrong. True if it went well. A view in the answer is taken over. */
  async attempt(command: () => Promise<RoomView | object | void>): Promise<boolean> {
    try {
      const answer = await command()
      if (answer && 'participants' in answer) this.take(answer)
      return true
    } catch (error) {
      this.options.notices.show(explain(error), { isProblem: true })
      this.state?.refetch('soon')
      return false
    }
  }

  /** Shows the room to those who follow the person, in their hallways. */
  shareInHallway(comment: string): Promise<boolean> {
    return this.attempt(async () => {
      await this.calls.share(comment)
      this.patchMe({ share: { comment, at: new Date().toISOString() } })
    })
  }

  unshareInHallway(): Promise<boolean> {
    return this.attempt(async () => {
      await this.calls.unshare()
      this.patchMe({ share: null })
    })
  }

  /** Shows what is beside the voice: in its column where there is room, else over the room. */
  openBeside(tab: BesideTab = this.beside.tab): void {
    this.beside.tab = tab
    this.sheet = 'beside'
  }

  /** People change their photos to make a point: fetches the faces anew. */
  async refreshFaces(): Promise<void> {
    await this.attempt(async () => {
      const fresh = new Map((await this.calls.faces()).map((face) => [face.account, face]))
      if (!this.state) return
      const { view } = this.state
      this.state.view = { ...view, participants: view.participants.map((person) => ({ ...person, ...fresh.get(person.account) })) }
    })
    this.state?.refetch('soon')
  }

  /** The settings of the sound have changed. */
  soundChanged(): void {
    this.sound.save()
    this.mixer.mix()
  }

  /** Somebody is not heard: the way down is made anew, and the server gets what this end knows. */
  async reportSilence(account: string): Promise<void> {
    const before = await this.listening.connection?.getStats().catch(() => null)
    this.sound.setVolume(account, 1)
    this.soundAnew()
    const stats: unknown[] = []
    before?.forEach((one: { type: string }) => ['inbound-rtp', 'candidate-pair', 'transport'].includes(one.type) && stats.push(one))
    await this.attempt(() => this.calls.reportSilence(account, stats.slice(0, 12)))
    this.options.notices.show(t('not_heard_done'))
  }

  private lost(): void {
    this.hidden.lost()
    void this.speaking.verify()
  }

  /** The sound was cut while the phone was locked: offers what goes on playing then, once. */
  private offerSteady(): void {
    if (this.wasOffered || this.steady.isOn || this.state?.isOnStage || !canListenSteadily()) return
    this.wasOffered = true
    this.options.notices.show(t('steady_offer'), { forMilliseconds: offerTime, action: { label: t('steady_short'), run: () => this.listenSteadily(true) } })
  }

  private saveByItself(): void {
    if (this.sound.saving !== 'auto' || this.sound.isSaving) return
    this.sound.isLineBad = true
    this.listening.remake()
    this.options.notices.show(t('saving_began'))
  }

  /** A Bluetooth headset whose microphone opens drops to the quality of a telephone, in both directions. */
  private warnOfHeadset(track: MediaStreamTrack): void {
    if (!isBluetooth(track.label)) return
    this.options.notices.show(t('bluetooth_warning'), { forMilliseconds: 12_000, action: { label: t('sound'), run: () => (this.sheet = 'sound') } })
  }

  private stateOf(view: RoomView): RoomState {
    return new RoomState(view, {
      self: this.self,
      fetch: () => this.calls.view(),
      refreshed: (fresh) => this.reconcile(fresh),
      failed: (error) => this.fetchFailed(error),
    })
  }

  /** Waits for the stream of events, if it is lost: the server has spread its return, and what else comes back goes with it. */
  private streamBack(): Promise<void> {
    if (!this.isStreamLost) return Promise.resolve()
    return new Promise((go) => {
      this.streamWaiters.push(go)
      setTimeout(go, streamPatience)
    })
  }

  private async mayReturn(): Promise<boolean> {
    await this.streamBack()
    const holds = await this.options.holdsSeat()
    if (!holds) this.yieldSeat()
    return holds
  }

  private isLastModerator(): boolean {
    const view = this.state?.view
    return view !== undefined && view.me.last_moderator && view.counts.all > 1
  }

  private take(view: RoomView): void {
    this.state?.replace(view)
    this.reconcile(view)
  }

  /** Brings the microphone in line with what the server says of the person. */
  private reconcile(view: RoomView): void {
    if (this.lastView) mentionComings(this.lastView, view, this.options.notices)
    this.lastView = view
    if (view.ended_at) return this.finish('ended')
    const { role, silenced, switched_off } = view.me
    if (role === null || role === 'listener') this.stepOff()
    else if (silenced) this.speaking.mute()
    else if (switched_off && this.speaking.muteTold()) this.options.notices.interrupt(t('say_muted_by'))
  }

  private follow(event: LiveEvent): void {
    const isSelf = event.data.account === this.self
    if (event.kind === 'room_ended') this.finish('ended')
    if (event.kind === 'removed' && isSelf) this.finish('removed')
    if (event.kind === 'moved_to_audience' && isSelf) this.stepOff()
    if (event.kind === 'silenced' && isSelf) this.speaking.mute()
    if (event.kind === 'speaker_joined' && isSelf) this.isFresh = true
    if (event.kind === 'mute_changed' && isSelf && event.data.switched_off === true && this.speaking.muteTold()) {
      this.options.notices.show(t('say_muted_by'), { isUrgent: true })
    }
  }

  private stepOff(): void {
    this.speaking.stop()
    this.isFresh = true
  }

  private fetchFailed(error: unknown): void {
    if (error instanceof Problem && [403, 404, 410].includes(error.status)) this.refused(error)
    else if (this.phase === 'in') this.state?.refetch('calm')
  }

  private patchHand(hand: RoomView['me']['hand']): void {
    this.patchMe({ hand })
    this.state?.refetch('soon')
  }

  private patchMe(change: Partial<RoomView['me']>): void {
    if (this.state) this.state.view = { ...this.state.view, me: { ...this.state.view.me, ...change } }
  }

  private finish(phase: Phase): void {
    if (this.phase !== 'entering' && this.phase !== 'in' && !(this.phase === 'gone' && phase === 'removed')) return
    this.phase = phase
    this.speaking.stop()
    this.listening.stop()
    this.steady.stop()
    this.hidden.stop()
    this.voices.stop()
    this.mixer.stop()
    this.line.stop()
    this.reactions.stop()
    this.beside.stop()
    this.state?.stop()
    clearMediaSession()
    this.options.over(this)
  }
}

function isBluetooth(label: string): boolean {
  return /bluetooth|hands-?free|airpods|\bbt\b|гарнитур/i.test(label)
}
