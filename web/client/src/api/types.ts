/**
 * The shapes of the HTTP API that this client uses, written by hand in the words of docs/openapi.json.
 * Everything else imports them from here, so that generated types can take their place in this one file.
 */

export type Role = 'host' | 'moderator' | 'speaker' | 'listener'
export type Kind = 'open' | 'social' | 'closed'
export type HandsSetting = 'everyone' | 'followed' | 'off'
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
}

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
}

export interface Hand {
  account: string
  username: string
  name: string
  photo?: string
  note: string
  raised_at: string
  followed_by_speakers: boolean
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
  silenced: boolean
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
  participants: Participant[]
  queue?: Hand[]
  invited?: string[]
  removals?: Removal[]
  me: OwnState
}

export interface NewRoom {
  title?: string
  kind: Kind
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
