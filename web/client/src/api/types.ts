/**
 * The shapes of the HTTP API that this client uses, written by hand in the words of docs/openapi.json.
 * Everything else imports them from here, so that generated types can take their place in this one file.
 */

export type Role = 'host' | 'moderator' | 'speaker' | 'listener'
export type Kind = 'open' | 'social' | 'closed'
export type HandsSetting = 'everyone' | 'followed' | 'not_spoken' | 'off'
/** What may be done with the words that are said in a room. */
export type Attribution = 'on_record' | 'background' | 'chatham_house' | 'off_record'
/** Who of those with a raised hand is next. */
export type QueueRule = 'first_come' | 'least_airtime' | 'first_timers' | 'alternate' | 'lot'
export type Reaction = 'clap' | 'heart' | 'laugh' | 'hundred' | 'think'
export type ChatMode = 'everyone' | 'followers' | 'off'
export type RemovalReason = 'spam' | 'harassment' | 'hate' | 'noise' | 'impersonation' | 'off_topic' | 'other'

export interface Person {
  id: string
  username: string
  name: string
  /** Names the pictures: see photoURL. Empty or absent where there is none. */
  photo?: string
}

export interface Me extends Person {
  created_at: string
  founder: boolean
  nominated_by: Person | null
  invitations_left: number | null
  room: string | null
  seat_here: boolean
  guest?: boolean
  bio: string
  links: ProfileLink[]
  /** A name may be changed once. */
  name_changeable: boolean
}

export interface ProfileLink {
  url: string
  label: string
}

/** How much of what somebody does I want to be told. */
export type Bell = 'always' | 'sometimes' | 'never'

export interface Instance {
  name: string
  version: string
  registration: string
  languages: string[]
  guests: boolean
}

export interface Profile extends Person {
  joined_at: string
  founder: boolean
  nominated_by: Person | null
  followers: number
  following: number
  follows_me: boolean
  followed: boolean
  bio: string
  links: ProfileLink[]
  bell: Bell
  blocked: boolean
  /** They do not let me see more than their name. */
  restricted?: boolean
  mutuals: { count: number; people: Person[] }
  in_room: { id: string; title: string } | null
}

export interface Invitation {
  id: string
  created_at: string
  expires_at: string
  state: 'pending' | 'redeemed' | 'revoked' | 'expired'
  redeemed_by: Person | null
}

export interface NewInvitation {
  id: string
  code: string
  url: string
  created_at: string
  expires_at: string
}

export interface InvitationPreview {
  nominator: Person | null
  note: string
}

export interface Session {
  id: string
  kind: 'session' | 'token'
  created_at: string
  last_seen_at: string
  user_agent: string
  current: boolean
}

export interface CardFace {
  account: string
  username: string
  name: string
  photo?: string
  on_stage: boolean
  role: Role
}

export interface Card {
  id: string
  title: string
  kind: Kind
  started_at: string
  host: Person
  faces: CardFace[]
  counts: { all: number; on_stage: number }
  guests_allowed: boolean
  language: string
  attribution: Attribution
  blocked_on_stage?: boolean
  /** Who of those I follow shows me the room, the latest first. */
  shared_by: Shared[]
}

export interface Shared {
  person: Person
  comment: string
  at: string
}

export interface OwnShare {
  comment: string
  at: string
}

export interface Participant {
  account: string
  username: string
  name: string
  photo?: string
  role: Role
  csrc?: number
  muted: boolean
  silenced: boolean
  connected: boolean
  entered_at: string
  on_stage_since?: string
  /** Of moderators: who made them one, and may take it back. */
  appointed_by?: string
  followed_by_speakers?: boolean
  /** Seconds spoken in this room. */
  airtime?: number
}

export interface Hand {
  account: string
  username: string
  name: string
  photo?: string
  note: string
  raised_at: string
  followed_by_speakers: boolean
  group?: string
}

export interface Removal {
  account: string
  name: string
  reason: string
  removed_at: string
}

export interface OwnState {
  participant: string
  role: Role | null
  seated: boolean
  hand: { raised_at: string; note: string; place?: number } | null
  stage_invitation: { by: Person } | null
  heir_offer: boolean
  muted: boolean
  /** Not for want of a session, but by oneself or a moderator. */
  switched_off: boolean
  silenced: boolean
  last_moderator: boolean
  overflow: boolean
  blocked_on_stage: Person[]
  /** I show the room to my followers. */
  share: OwnShare | null
}

export interface RoomView {
  id: string
  title: string
  kind: Kind
  host: Person
  started_at: string
  ended_at: string | null
  guests_allowed: boolean
  hands: HandsSetting
  seq: number
  counts: { all: number; on_stage: number; audience: number; guests: number }
  language: string
  attribution: Attribution
  attribution_change: AttributionChange | null
  visibility_change: VisibilityChange | null
  /** When others change the room, it is asked for again at a random moment within this time. */
  refetch_after_ms: number
  queue_rule: QueueRule
  stage_reactions: boolean
  timer: Timer | null
  pin: Pin | null
  agenda: Agenda | null
  chat: { mode: ChatMode; slow_seconds: number }
  questions: { on: boolean; anonymous: boolean }
  audience_shown: number
  participants: Participant[]
  queue?: Hand[]
  invited?: string[]
  removals?: Removal[]
  me: OwnState
}

/** The room is about to be opened wider; anybody who moderates may stop it until then. */
export interface VisibilityChange {
  to: Kind
  by: Person
  at: string
}

/** The host asks everyone on stage whether their words may be used otherwise. */
export interface AttributionChange {
  to: Attribution
  by: Person
  agreed: string[]
  waiting: string[]
}

/** The link at the top of the room. The title comes when the server has looked at the page. */
export interface Pin {
  url: string
  domain: string
  title: string
  at: string
  by: Person
}

export interface AgendaItem {
  text: string
  started_at: string | null
}

export interface Agenda {
  text: string
  items: AgendaItem[]
  now: number | null
}

export interface Message {
  id: string
  /** The number of the fact that told it. */
  seq: number
  author: Person
  text: string
  at: string
}

export type QuestionState = 'open' | 'answering' | 'answered'

export interface Question {
  id: string
  /** Null of an anonymous one. */
  author: Person | null
  text: string
  state: QuestionState
  votes: number
  voted: boolean
  mine: boolean
  /** Mine, asked without a name and being answered: I may come on stage, which says that it is mine. */
  offered: boolean
  asked_at: string
}

export interface Poll {
  id: string
  question: string
  options: { text: string; votes: number }[]
  /** What I chose, from 0. */
  choice: number | null
  opened_by: Person
  opened_at: string
  closed_at: string | null
}

/** Somebody's turn on stage, limited. */
export interface Timer {
  account: string
  seconds: number
  started_at: string
  by: Person
}

/** What a moderator did. The target is named to moderators only. */
export interface LogEntry {
  at: string
  /** Null where nobody decided it. */
  by: Person | null
  action: string
  target: Person | null
  detail: string
}

export interface SuggestedSpeaker {
  person: Person
  why: string[]
}

export interface Invitable {
  person: Person
  in_room: boolean
  pinged: boolean
}

export interface SpeakerLink {
  id: string
  by: Person
  expires_at: string
  used_by: Person | null
}

export interface NewRoom {
  title?: string
  kind: Kind
  language?: string
  attribution?: Attribution
  queue_rule?: QueueRule
  chat?: ChatMode
  guests_allowed?: boolean
  invite?: string[]
}

/** One server-sent event. Facts have an id in the stream; ephemeral ones (participants_changed, mute_changed, hallway_changed) have none. */
export interface LiveEvent {
  kind: string
  topic: 'room' | 'account'
  room?: string
  seq?: number
  at?: string
  data: Record<string, unknown>
}
