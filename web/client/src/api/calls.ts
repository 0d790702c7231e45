import type { Client } from './client'
import type {
  Card, HandsSetting, Instance, Invitation, InvitationPreview, Me, NewInvitation, NewRoom, Person, Profile, RemovalReason, Role, RoomView, Session,
} from './types'

/** Every call of the HTTP API that the client makes outside a room, one line each. */
export function accountCalls(client: Client) {
  return {
    instance: () => client.call<Instance>('GET', '/instance'),
    me: () => client.call<Me>('GET', '/me'),
    signUp: (body: { invitation: string; username: string; name: string; password: string }) => client.call<Me>('POST', '/accounts', body),
    signIn: (body: { username: string; password: string }) => client.call<Me>('POST', '/sessions', body),
    signOut: () => client.call<void>('DELETE', '/sessions/current'),
    sessions: () => client.call<{ sessions: Session[] }>('GET', '/sessions'),
    revokeSession: (id: string) => client.call<void>('DELETE', `/sessions/${part(id)}`),
    previewInvitation: (invitation: string) => client.call<InvitationPreview>('POST', '/invitations/preview', { invitation }),
    invite: (note: string) => client.call<NewInvitation>('POST', '/invitations', note ? { note } : {}),
    invitations: () => client.call<{ left: number | null; invitations: Invitation[] }>('GET', '/invitations'),
    revokeInvitation: (id: string) => client.call<void>('DELETE', `/invitations/${part(id)}`),
    profile: (account: string) => client.call<Profile>('GET', `/accounts/${part(account)}`),
    profileByUsername: (username: string) =>
      client.call<{ account: Profile }>('GET', `/accounts?username=${part(username)}`).then((answer) => answer.account),
    follow: (account: string) => client.call<void>('PUT', `/accounts/${part(account)}/follow`),
    unfollow: (account: string) => client.call<void>('DELETE', `/accounts/${part(account)}/follow`),
    following: (account: string) => client.call<{ accounts: Person[] }>('GET', `/accounts/${part(account)}/following`).then((answer) => answer.accounts),
    hallway: () => client.call<{ rooms: Card[] }>('GET', '/hallway').then((answer) => answer.rooms),
    openRoom: (room: NewRoom) => client.call<RoomView>('POST', '/rooms', room),
  }
}

/** Every command of one room, one line each. */
export function roomCalls(client: Client, room: string) {
  const at = `/rooms/${part(room)}`
  return {
    view: () => client.call<RoomView>('GET', at),
    enter: () => client.call<RoomView>('PUT', `${at}/seat`),
    leave: () => client.call<void>('DELETE', `${at}/seat`),
    end: () => client.call<void>('DELETE', at),
    setTitle: (title: string) => client.call<RoomView>('PATCH', at, { title }),
    setHands: (hands: HandsSetting) => client.call<RoomView>('PATCH', at, { hands }),
    mute: () => client.call<void>('PUT', `${at}/mute`),
    unmute: () => client.call<void>('DELETE', `${at}/mute`),
    raiseHand: (note: string) => client.call<void>('PUT', `${at}/hand`, note ? { note } : {}),
    lowerHand: () => client.call<void>('DELETE', `${at}/hand`),
    lowerAllHands: () => client.call<void>('DELETE', `${at}/hands`),
    dismissHand: (account: string) => client.call<void>('DELETE', `${at}/hands/${part(account)}`),
    inviteToStage: (account: string) => client.call<{ on_stage: boolean }>('POST', `${at}/stage-invitations`, { account }),
    acceptStage: () => client.call<RoomView>('POST', `${at}/stage-invitations/accept`),
    declineStage: () => client.call<void>('POST', `${at}/stage-invitations/decline`),
    setRole: (account: string, role: Role) => client.call<RoomView>('PUT', `${at}/participants/${part(account)}/role`, { role }),
    silence: (account: string) => client.call<void>('PUT', `${at}/participants/${part(account)}/silence`),
    liftSilence: (account: string) => client.call<void>('DELETE', `${at}/participants/${part(account)}/silence`),
    muteOther: (account: string) => client.call<void>('PUT', `${at}/participants/${part(account)}/mute`),
    muteAll: () => client.call<void>('POST', `${at}/mute-all`),
    remove: (account: string, reason: RemovalReason, note: string) =>
      client.call<void>('DELETE', `${at}/participants/${part(account)}?${new URLSearchParams(note ? { reason, note } : { reason })}`),
    undoRemoval: (account: string) => client.call<void>('DELETE', `${at}/removals/${part(account)}`),
    pick: (account: string) => client.call<void>('POST', `${at}/invites`, { account }),
    handOver: (account: string) => client.call<void>('PUT', `${at}/host`, { account }),
    acceptHeir: () => client.call<RoomView>('POST', `${at}/heir/accept`),
    declineHeir: () => client.call<void>('POST', `${at}/heir/decline`),
    inviteGuest: () => client.call<{ token: string; url: string }>('POST', `${at}/guests`),
  }
}

export type AccountCalls = ReturnType<typeof accountCalls>
export type RoomCalls = ReturnType<typeof roomCalls>

function part(value: string): string {
  return encodeURIComponent(value)
}
