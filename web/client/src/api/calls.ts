import type { Client } from './client'
import type {
  Attribution, Bell, Card, ChatMode, HandsSetting, Instance, Invitable, Invitation, InvitationPreview, Kind, LogEntry, Me, Message, NewInvitation, NewRoom, Participant, Person, Poll, Profile, ProfileLink, Question, QueueRule, Reaction, RemovalReason, Role, RoomView, Session, SpeakerLink, SuggestedSpeaker,
} from './types'

/** Every call of the HTTP API that the client makes outside a room, one line each. */
export function accountCalls(client: Client) {
  return {
    instance: () => client.call<Instance>('GET', '/instance'),
    me: () => client.call<Me>('GET', '/me'),
    signUp: (body: { invitation: string; username: string; name: string; password: string }) => client.call<Me>('POST', '/accounts', body),
    signIn: (body: { username: string; password: string }) => client.call<Me>('POST', '/sessions', body),
    signOut: () => client.call<void>('DELETE', '/sessions/current'),
    changePassword: (body: { current: string; password: string }) => client.call<void>('PUT', '/me/password', body),
    sessions: () => client.call<{ sessions: Session[] }>('GET', '/sessions'),
    revokeSession: (id: string) => client.call<void>('DELETE', `/sessions/${part(id)}`),
    previewInvitation: (invitation: string) => client.call<InvitationPreview>('POST', '/invitations/preview', { invitation }),
    invite: (note: string) => client.call<NewInvitation>('POST', '/invitations', note ? { note } : {}),
    invitations: () => client.call<{ left: number | null; invitations: Invitation[] }>('GET', '/invitations'),
    revokeInvitation: (id: string) => client.call<void>('DELETE', `/invitations/${part(id)}`),
    profile: (account: string) => client.call<Profile>('GET', `/accounts/${part(account)}`),
    profileByUsername: (username: string) =>
      client.call<{ account: Profile }>('GET', `/accounts?username=${part(username)}`).then((answer) => answer.account),
    changeProfile: (change: { name?: string; bio?: string; links?: ProfileLink[] }) => client.call<Me>('PATCH', '/me', change),
    setPhoto: (photo: Blob) => client.send('PUT', '/me/photo', { blob: photo }).then((answer) => answer.json() as Promise<Me>),
    removePhoto: () => client.call<void>('DELETE', '/me/photo'),
    setBell: (account: string, bell: Bell) => client.call<void>('PUT', `/accounts/${part(account)}/bell`, { bell }),
    block: (account: string) => client.call<void>('PUT', `/accounts/${part(account)}/block`),
    unblock: (account: string) => client.call<void>('DELETE', `/accounts/${part(account)}/block`),
    blocks: () => client.call<{ accounts: Person[] }>('GET', '/me/blocks').then((answer) => answer.accounts),
    followersOf: (account: string, after = '') => client.call<{ accounts: Person[]; next: string | null }>('GET', `/accounts/${part(account)}/followers?${new URLSearchParams(after ? { after } : {})}`),
    followingOf: (account: string, after = '') => client.call<{ accounts: Person[]; next: string | null }>('GET', `/accounts/${part(account)}/following?${new URLSearchParams(after ? { after } : {})}`),
    follow: (account: string) => client.call<void>('PUT', `/accounts/${part(account)}/follow`),
    unfollow: (account: string) => client.call<void>('DELETE', `/accounts/${part(account)}/follow`),
    following: () => client.call<{ accounts: Person[] }>('GET', '/me/following').then((answer) => answer.accounts),
    hallway: (withBlocked = false) => client.call<{ rooms: Card[]; hidden: { blocked: number } }>('GET', withBlocked ? '/hallway?blocked=show' : '/hallway'),
    hideRoom: (room: string) => client.call<void>('PUT', `/rooms/${part(room)}/hidden`),
    showRoom: (room: string) => client.call<void>('DELETE', `/rooms/${part(room)}/hidden`),
    openRoom: (room: NewRoom) => client.call<RoomView>('POST', '/rooms', room),
  }
}

/** Every command of one room, one line each. */
export function roomCalls(client: Client, room: string) {
  const at = `/rooms/${part(room)}`
  return {
    view: () => client.call<RoomView>('GET', at),
    enter: (way: { overflow?: true; speaker_link?: string } = {}) => client.call<RoomView>('PUT', `${at}/seat`, way),
    leave: () => client.call<void>('DELETE', `${at}/seat`),
    end: () => client.call<void>('DELETE', at),
    setTitle: (title: string) => client.call<RoomView>('PATCH', at, { title }),
    setHands: (hands: HandsSetting) => client.call<RoomView>('PATCH', at, { hands }),
    setQueueRule: (rule: QueueRule) => client.call<RoomView>('PATCH', at, { queue_rule: rule }),
    setStageReactions: (on: boolean) => client.call<RoomView>('PATCH', at, { stage_reactions: on }),
    openWider: (kind: Kind) => client.call<RoomView>('POST', `${at}/visibility`, { kind }),
    keepAsItIs: () => client.call<void>('DELETE', `${at}/visibility`),
    askAttribution: (to: Attribution) => client.call<RoomView>('POST', `${at}/attribution`, { to }),
    agreeAttribution: () => client.call<RoomView>('POST', `${at}/attribution/agree`),
    refuseAttribution: () => client.call<void>('POST', `${at}/attribution/refuse`),
    withdrawAttribution: () => client.call<void>('DELETE', `${at}/attribution`),
    bringUpNext: (count: number) => client.call<{ on_stage: string[] }>('POST', `${at}/hands/next`, { count }),
    suggestedSpeakers: () => client.call<{ people: SuggestedSpeaker[] }>('GET', `${at}/suggested-speakers`).then((answer) => answer.people),
    setTimer: (account: string, seconds: number) => client.call<void>('PUT', `${at}/timer`, { account, seconds }),
    clearTimer: () => client.call<void>('DELETE', `${at}/timer`),
    log: (after = '') => client.call<{ entries: LogEntry[]; next: string | null }>('GET', `${at}/log?${new URLSearchParams(after ? { after } : {})}`),
    react: (reaction: Reaction) => client.call<void>('POST', `${at}/reactions`, { reaction }),
    reportSilence: (account: string, stats: unknown[]) => client.call<void>('POST', `${at}/diagnostics`, { account, stats }),
    pin: (url: string) => client.call<RoomView>('PUT', `${at}/pin`, { url }),
    unpin: () => client.call<void>('DELETE', `${at}/pin`),
    setAgenda: (markdown: string) => client.call<RoomView>('PUT', `${at}/agenda`, { markdown }),
    moveAgenda: (item: number | null, text: string) => client.call<RoomView>('POST', `${at}/agenda/now`, item === null ? { item } : { item, text }),
    setChat: (setting: { mode?: ChatMode; slow_seconds?: number }) => client.call<RoomView>('PATCH', `${at}/chat`, setting),
    setQuestions: (setting: { on?: boolean; anonymous?: boolean }) => client.call<RoomView>('PATCH', `${at}/questions-setting`, setting),
    messages: (before = '') => client.call<{ messages: Message[]; next: string | null }>('GET', `${at}/messages?${new URLSearchParams(before ? { before } : {})}`),
    write: (text: string) => client.call<Message>('POST', `${at}/messages`, { text }),
    deleteMessage: (id: string) => client.call<void>('DELETE', `${at}/messages/${part(id)}`),
    backchannel: (before = '') => client.call<{ messages: Message[]; next: string | null }>('GET', `${at}/backchannel?${new URLSearchParams(before ? { before } : {})}`),
    writeBackstage: (text: string) => client.call<Message>('POST', `${at}/backchannel`, { text }),
    chatMute: (account: string) => client.call<void>('PUT', `${at}/participants/${part(account)}/chat-mute`),
    questions: () => client.call<{ questions: Question[] }>('GET', `${at}/questions`).then((answer) => answer.questions),
    ask: (text: string, anonymous: boolean) => client.call<Question>('POST', `${at}/questions`, { text, anonymous }),
    deleteQuestion: (id: string) => client.call<void>('DELETE', `${at}/questions/${part(id)}`),
    voteFor: (id: string) => client.call<void>('PUT', `${at}/questions/${part(id)}/vote`),
    unvote: (id: string) => client.call<void>('DELETE', `${at}/questions/${part(id)}/vote`),
    answering: (id: string) => client.call<{ asker_invited: boolean }>('POST', `${at}/questions/${part(id)}/answering`),
    comeUp: (id: string) => client.call<RoomView>('POST', `${at}/questions/${part(id)}/come-up`),
    answered: (id: string) => client.call<void>('POST', `${at}/questions/${part(id)}/answered`),
    polls: () => client.call<{ polls: Poll[] }>('GET', `${at}/polls`).then((answer) => answer.polls),
    openPoll: (question: string, options: string[]) => client.call<Poll>('POST', `${at}/polls`, { question, options }),
    votePoll: (id: string, option: number) => client.call<void>('PUT', `${at}/polls/${part(id)}/vote`, { option }),
    closePoll: (id: string) => client.call<Poll>('POST', `${at}/polls/${part(id)}/close`),
    reset: () => client.call<void>('POST', `${at}/reset`),
    faces: () => client.call<{ participants: Pick<Participant, 'account' | 'photo' | 'name'>[] }>('POST', `${at}/faces`).then((answer) => answer.participants),
    people: (query: string, after = '') => client.call<{ people: Participant[]; next: string | null }>('GET', `${at}/people?${new URLSearchParams(after ? { q: query, after } : { q: query })}`),
    invitable: (query: string) => client.call<{ people: Invitable[] }>('GET', `${at}/invitable?${new URLSearchParams({ q: query })}`).then((answer) => answer.people),
    speakerLinks: () => client.call<{ links: SpeakerLink[] }>('GET', `${at}/speaker-links`).then((answer) => answer.links),
    makeSpeakerLink: () => client.call<{ id: string; url: string; expires_at: string }>('POST', `${at}/speaker-links`),
    endSpeakerLink: (id: string) => client.call<void>('DELETE', `${at}/speaker-links/${part(id)}`),
    mute: () => client.call<void>('PUT', `${at}/mute`),
    unmute: () => client.call<void>('DELETE', `${at}/mute`),
    raiseHand: (note: string, group = '') => client.call<void>('PUT', `${at}/hand`, { ...(note ? { note } : {}), ...(group ? { group } : {}) }),
    lowerHand: () => client.call<void>('DELETE', `${at}/hand`),
    lowerAllHands: () => client.call<void>('DELETE', `${at}/hands`),
    dismissHand: (account: string) => client.call<void>('DELETE', `${at}/hands/${part(account)}`),
    inviteToStage: (account: string, isConfirmed = false) => client.call<{ on_stage: boolean }>('POST', `${at}/stage-invitations`, isConfirmed ? { account, confirm: true } : { account }),
    acceptStage: () => client.call<RoomView>('POST', `${at}/stage-invitations/accept`),
    declineStage: () => client.call<void>('POST', `${at}/stage-invitations/decline`),
    setRole: (account: string, role: Role, reason = '') => client.call<RoomView>('PUT', `${at}/participants/${part(account)}/role`, reason ? { role, reason } : { role }),
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
