/** The program as a value: who is signed in, the page, the stream of events, and the room that plays. */
import { getContext, setContext } from 'svelte'
import { type AccountCalls, accountCalls } from './api/calls'
import { Client, Problem } from './api/client'
import type { LiveEvent, Me, NewRoom, Person } from './api/types'
import { Hallway } from './hallway.svelte'
import { t } from './i18n/index.svelte'
import { explain } from './i18n/problem'
import { whenIdle } from './idle'
import { Live, retryTimeOf } from './live'
import { AudioOutput } from './room/audio-output.svelte'
import { slotsFor } from './room/listening.svelte'
import { RoomSession } from './room/room-session.svelte'
import { Spare } from './room/spare'
import { Router } from './router.svelte'
import { sound } from './sound-settings.svelte'
import { Notices } from './toasts.svelte'

const roomOfThisTab = 'besedka.room'
const storedMicrophone = 'besedka.microphone'

/** The seat is taken somewhere else; entering here would stop it there. */
export interface Elsewhere {
  room: string
  where: 'device' | 'tab'
  /** What the person was about to enter; the same room if they only opened the app. */
  wanted: string
}

export interface RoomInvite {
  room: string
  title: string
  by: Person
}

export class App {
  readonly client: Client
  readonly calls: AccountCalls
  readonly router = new Router()
  readonly notices = new Notices()
  readonly output = new AudioOutput()
  private readonly spare = new Spare()
  readonly sound = sound
  readonly hallway: Hallway
  /** undefined while we ask the server, null for a stranger. */
  me = $state.raw<Me | null | undefined>(undefined)
  session = $state.raw<RoomSession | null>(null)
  elsewhere = $state.raw<Elsewhere | null>(null)
  invite = $state.raw<RoomInvite | null>(null)
  startProblem = $state.raw<unknown>(null)
  microphone = $state<string | null>(localStorage.getItem(storedMicrophone))
  private readonly live: Live
  private readonly tabs = 'BroadcastChannel' in globalThis ? new BroadcastChannel('besedka') : null

  constructor(token: string | null = null) {
    this.client = new Client(token)
    this.calls = accountCalls(this.client)
    if (this.sound.speaker) void this.output.choose(this.sound.speaker)
    this.hallway = new Hallway((withBlocked) => this.calls.hallway(withBlocked))
    this.live = new Live(this.client, {
      event: (event) => this.event(event),
      connected: (isConnected) => this.session?.streamConnected(isConnected),
      refused: (problem) => this.streamRefused(problem),
    })
    this.tabs?.addEventListener('message', () => this.session?.yieldSeat())
  }

  get isGuest(): boolean {
    return this.client.token !== null
  }

  /** Asks who is here, and goes on with the room that this tab was in. */
  async start(): Promise<void> {
    this.startProblem = null
    try {
      this.signedIn(await this.calls.me())
    } catch (error) {
      if (error instanceof Problem && error.status === 401) this.me = null
      else this.startProblem = error
    }
  }

  signedIn(me: Me): void {
    this.me = me
    if (this.isGuest) return this.prepare()
    const mine = sessionStorage.getItem(roomOfThisTab)
    if (me.room && me.room === mine) {
      this.enter(me.room)
      return
    }
    this.live.watch(null)
    this.prepare()
    if (me.room) this.elsewhere = { room: me.room, where: me.seat_here ? 'tab' : 'device', wanted: me.room }
  }

  /** Asks anew where the person's seat is. */
  async refreshMe(): Promise<void> {
    this.me = await this.calls.me().catch(() => this.me)
  }

  async signOut(): Promise<void> {
    await this.session?.leave()
    await this.calls.signOut().catch(() => {})
    this.signedOut()
  }

  /** The session is over, by choice or because it was revoked. */
  signedOut(): void {
    this.live.stop()
    this.session?.yieldSeat()
    this.session = null
    this.elsewhere = null
    this.hallway.cards = null
    this.spare.drop()
    this.me = null
    sessionStorage.removeItem(roomOfThisTab)
    this.router.go('/sign-in')
  }

  /** Enters a room, leaving the one before quietly. Asks first if the seat is on another device. Call within a tap, if there was one. */
  enter(room: string, way: { overflow?: true; speaker_link?: string } = {}): void {
    const me = this.me
    if (!me || (this.session?.room === room && isAlive(this.session))) return
    if (!this.isGuest && !this.session && me.room && !me.seat_here) {
      this.elsewhere = { room: me.room, where: 'device', wanted: room }
      return
    }
    this.takeSeat(room, (session) => session.enter(way))
  }

  /** The answer to "Continue here?". */
  continueHere(): void {
    const wanted = this.elsewhere?.wanted
    this.elsewhere = null
    if (!wanted) return
    this.takeSeat(wanted, (session) => session.enter())
    this.router.go(`/rooms/${wanted}`)
  }

  leaveElsewhere(): void {
    const elsewhere = this.elsewhere
    this.elsewhere = null
    if (elsewhere && elsewhere.wanted !== elsewhere.room && this.router.route.page === 'room') this.router.go('/')
  }

  /** Opens a room and goes in. */
  async open(room: NewRoom): Promise<void> {
    this.output.unlock()
    askForMicrophone()
    const view = await this.calls.openRoom(room)
    this.takeSeat(view.id, (session) => session.begin(view))
    this.router.go(`/rooms/${view.id}`)
  }

  chooseMicrophone(device: string | null): void {
    this.microphone = device
    if (device) localStorage.setItem(storedMicrophone, device)
    else localStorage.removeItem(storedMicrophone)
    void this.session?.speaking.changeDevice()
  }

  /** Whoever is in no room may tap a card next: what can be done for that is done when the browser has nothing else to do. */
  private prepare(): void {
    whenIdle(() => {
      if (this.me && !(this.session && isAlive(this.session))) this.spare.make(slotsFor(this.sound.isSaving))
    })
  }

  /** Forgets a room that is over, after the person has read why. */
  dismissSession(): void {
    if (this.session && !isAlive(this.session)) this.session = null
  }

  private takeSeat(room: string, go: (session: RoomSession) => unknown): void {
    this.output.unlock()
    this.tabs?.postMessage({ room })
    this.session?.yieldSeat()
    const session = apart(() => new RoomSession({
      client: this.client,
      room,
      self: this.me?.id ?? '',
      output: this.output,
      spare: this.spare,
      notices: this.notices,
      device: () => this.microphone,
      sound: this.sound,
      over: (over) => this.over(over),
      holdsSeat: () => this.holdsSeat(room),
      watch: () => this.live.watch(room),
    }))
    this.session = session
    if (this.me) this.me = { ...this.me, room, seat_here: true }
    sessionStorage.setItem(roomOfThisTab, room)
    exposeForTests(session)
    go(session)
  }

  /** False only if the person is in a room by another device. */
  private async holdsSeat(room: string): Promise<boolean> {
    if (this.isGuest) return true
    const me = await this.calls.me()
    return me.room === null || (me.room === room && me.seat_here)
  }

  private over(session: RoomSession): void {
    if (this.session !== session) return
    sessionStorage.removeItem(roomOfThisTab)
    if (this.me) this.me = { ...this.me, room: null, seat_here: false }
    if (this.isGuest) this.live.stop()
    else this.live.watch(null)
    this.prepare()
    const isShown = this.router.route.page === 'room' && this.router.route.room === session.room
    if (session.phase === 'left') {
      this.session = null
      if (isShown) this.router.go('/')
    } else if (!isShown && !this.isGuest) {
      this.session = null
      if (session.phase === 'ended') this.notices.show(t('room_ended_toast', { title: session.title }), { isUrgent: true })
      else if (session.phase === 'removed') this.notices.show(t('removed_title'), { isUrgent: true })
      else if (session.phase === 'taken') this.notices.show(t('taken_title'), { isUrgent: true })
    }
  }

  private event(event: LiveEvent): void {
    if (event.topic === 'room' || event.kind === 'hello' || event.kind === 'reset') {
      if (!event.room || event.room === this.session?.room) this.session?.event(event)
    }
    if (event.kind === 'hallway_changed') this.hallway.changed()
    if (event.kind === 'server_stopping') this.session?.serverStopping(retryTimeOf(event))
    if (event.kind === 'reset' || (event.kind === 'hello' && event.data.resumed !== true)) this.hallway.changed()
    if (event.topic === 'account') this.accountEvent(event)
  }

  private accountEvent(event: LiveEvent): void {
    const { room, title, by, reason } = event.data as { room?: string; title?: string; by?: Person; reason?: string }
    switch (event.kind) {
      case 'room_invited':
        if (room && by && room !== this.session?.room) {
          this.invite = { room, by, title: title || t('untitled_room', { name: by.name }) }
        }
        break
      case 'removed_from_room':
        if (room === this.session?.room) this.session?.removed(reason ?? null)
        break
      case 'seat_taken':
        if (room === this.session?.room) void this.session?.seatTaken()
        break
      case 'room_started':
        if (room && by && room !== this.session?.room) {
          const name = title || t('untitled_room', { name: by.name })
          this.notices.show(t('room_started', { name: by.name, title: name }), { forMilliseconds: 10_000, action: { label: t('join_room'), run: () => { this.enter(room); this.router.go(`/rooms/${room}`) } } })
        }
        break
      case 'blocked_person_here': {
        const person = event.data.account as Person | undefined
        if (person?.name) this.notices.show(t('blocked_person_here', { name: person.name }), { forMilliseconds: 8000 })
        break
      }
      case 'seat_closed':
        if (room === this.session?.room) this.session?.refused(new Problem(404, 'not_found'))
        break
      case 'question_offered':
        if (room === this.session?.room) {
          this.notices.show(t('question_offered'), { isUrgent: true, forMilliseconds: 20_000, action: { label: t('questions'), run: () => this.session?.openBeside('questions') } })
        }
        break
      case 'invitation_redeemed': {
        const account = event.data.account as Person | undefined
        if (account?.name) this.notices.show(t('invitation_joined_toast', { name: account.name }))
      }
    }
  }

  private streamRefused(problem: Problem): void {
    if (problem.status === 401) {
      if (this.isGuest) this.session?.refused(problem)
      else this.signedOut()
      return
    }
    const session = this.session
    if (session) void session.seatTaken().then(() => session.refused(problem))
  }

  /** Runs something that may fail, and says so. True if it went well. */
  async attempt(action: () => Promise<unknown>): Promise<boolean> {
    try {
      await action()
      return true
    } catch (error) {
      if (error instanceof Problem && error.status === 401 && this.me && !this.isGuest) this.signedOut()
      this.notices.show(explain(error), { isProblem: true })
      return false
    }
  }
}

/** Who opens a room will speak in it: the browser asks for the microphone now, and not in the first sentence. It is given back at once. */
function askForMicrophone(): void {
  navigator.mediaDevices?.getUserMedia({ audio: true }).then(
    (stream) => stream.getTracks().forEach((track) => track.stop()),
    () => {}, // whoever refuses is told when they unmute
  )
}

/** Makes something that outlives the page which asked for it: what is derived in it must not end with that page's effects. */
function apart<T>(make: () => T): T {
  let made: T | undefined
  $effect.root(() => {
    made = make()
  })
  return made as T
}

export function isAlive(session: RoomSession): boolean {
  return session.phase === 'entering' || session.phase === 'in'
}

const key = Symbol('app')

export function provideApp(app: App): void {
  setContext(key, app)
}

export function useApp(): App {
  return getContext<App>(key)
}

/**
 * `window.besedka.room` is for end-to-end tests and for people who look why something does not sound: the two connections of the present room,
 * to call getStats() on. Nothing that the person may not know is reachable through it.
 */
function exposeForTests(session: RoomSession): void {
  Object.assign(globalThis, {
    besedka: {
      room: {
        id: session.room,
        get listening() {
          return session.listening.connection
        },
        get speaking() {
          return session.speaking.connection
        },
      },
    },
  })
}
