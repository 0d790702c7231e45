/** What an event of the room changes in the view that we hold, before the server is asked again. Pure. */
import type { Attribution, HandsSetting, Kind, LiveEvent, Participant, QueueRule, Role, RoomView } from '../api/types'

/** How soon the view must be fetched again: not at all; when there is time; soon; at once. */
export type Urgency = 'no' | 'calm' | 'soon' | 'now'

export interface Applied {
  view: RoomView
  refetch: Urgency
}

/** Applies an event for the person `self`. Facts that the view includes already change nothing. */
export function applyEvent(view: RoomView, event: LiveEvent, self: string): Applied {
  const change = changes[event.kind]
  if (!change) return { view, refetch: 'no' }
  if (event.seq !== undefined && event.seq > 0 && event.seq <= view.seq) return { view, refetch: 'no' }
  const account = typeof event.data.account === 'string' ? event.data.account : ''
  const applied = change(view, { event, account, isSelf: account === self })
  return event.seq ? { ...applied, view: { ...applied.view, seq: Math.max(applied.view.seq, event.seq) } } : applied
}

interface Context {
  event: LiveEvent
  account: string
  isSelf: boolean
}

type Change = (view: RoomView, context: Context) => Applied

const changes: Record<string, Change> = {
  hello: (view, { event }) => ({ view, refetch: event.data.resumed === true ? 'no' : 'now' }),
  reset: (view) => ({ view, refetch: 'now' }),
  room_titled: (view, { event }) => ({ view: { ...view, title: text(event.data.title) }, refetch: 'no' }),
  hands_set: (view, { event }) => ({ view: { ...view, hands: event.data.setting as HandsSetting }, refetch: 'soon' }),
  participants_changed: (view, { event }) => ({
    view: { ...view, refetch_after_ms: Number(event.data.refetch_after_ms ?? view.refetch_after_ms), counts: { ...view.counts, ...(event.data.counts as Partial<RoomView['counts']> | undefined) } },
    refetch: 'calm',
  }),
  mute_changed: (view, context) => ({
    view: withOwn(withPerson(view, context.account, { muted: context.event.data.muted === true }), context, { muted: context.event.data.muted === true, switched_off: context.event.data.switched_off === true }),
    refetch: 'no',
  }),
  speaker_joined: (view, context) => {
    const csrc = Number(context.event.data.csrc) || undefined
    const at = context.event.at ?? new Date().toISOString()
    const next = withRole(view, context, 'speaker', { muted: true, on_stage_since: at, ...(csrc ? { csrc } : {}) })
    return {
      view: withoutHand({ ...next, ...(next.invited ? { invited: next.invited.filter((id) => id !== context.account) } : {}) }, context),
      refetch: context.isSelf ? 'now' : 'soon',
    }
  },
  moved_to_audience: (view, context) => ({ view: withRole(view, context, 'listener', { muted: false, silenced: false }), refetch: context.isSelf ? 'now' : 'soon' }),
  moderator_made: (view, context) => ({ view: withRole(view, context, 'moderator', { appointed_by: text(context.event.data.by) }), refetch: context.isSelf ? 'now' : 'soon' }),
  moderator_unmade: (view, context) => ({ view: withRole(view, context, 'speaker', { appointed_by: '' }), refetch: context.isSelf ? 'now' : 'soon' }),
  host_changed: (view, context) => {
    const former = view.host.id
    const person = view.participants.find((one) => one.account === context.account)
    const host = person ? { id: person.account, username: person.username, name: person.name, photo: person.photo } : view.host
    const self = view.me.role === 'host' && !context.isSelf ? { ...view.me, role: 'moderator' as Role } : view.me
    const stepped = withPerson({ ...view, host, me: self }, former, { role: 'moderator' })
    return { view: withRole(stepped, context, 'host', {}), refetch: context.isSelf ? 'now' : 'soon' }
  },
  hand_raised: (view, context) => ({
    view: context.isSelf && !view.me.hand ? { ...view, me: { ...view.me, hand: { raised_at: context.event.at ?? new Date().toISOString(), note: '' } } } : view,
    refetch: 'now',
  }),
  hand_lowered: (view, context) => ({ view: withoutHand(view, context), refetch: 'no' }),
  hands_lowered: (view) => ({ view: { ...view, ...(view.queue ? { queue: [] } : {}), me: { ...view.me, hand: null } }, refetch: 'soon' }),
  stage_invited: (view, context) => ({ view: { ...view, ...(view.invited ? { invited: [...view.invited, context.account] } : {}) }, refetch: context.isSelf ? 'now' : 'no' }),
  stage_invitation_declined: (view, context) => ({
    view: { ...view, ...(view.invited ? { invited: view.invited.filter((id) => id !== context.account) } : {}) },
    refetch: 'no',
  }),
  faces_changed: (view) => ({ view, refetch: 'calm' }),
  visibility_changing: (view) => ({ view, refetch: 'now' }),
  visibility_kept: (view) => ({ view: { ...view, visibility_change: null }, refetch: 'no' }),
  visibility_changed: (view, { event }) => ({ view: { ...view, visibility_change: null, kind: event.data.kind as Kind }, refetch: 'soon' }),
  attribution_asked: (view) => ({ view, refetch: 'now' }),
  attribution_agreed: (view, { account }) => ({ view: agreed(view, account), refetch: 'no' }),
  attribution_refused: (view) => ({ view: { ...view, attribution_change: null }, refetch: 'no' }),
  attribution_changed: (view, { event }) => ({ view: { ...view, attribution_change: null, attribution: (event.data.attribution ?? event.data.to) as Attribution }, refetch: 'soon' }),
  queue_rule_set: (view, { event }) => ({ view: { ...view, queue_rule: (event.data.rule ?? view.queue_rule) as QueueRule }, refetch: 'soon' }),
  stage_reactions_set: (view) => ({ view, refetch: 'soon' }),
  timer_set: (view) => ({ view, refetch: 'now' }),
  timer_cleared: (view) => ({ view: { ...view, timer: null }, refetch: 'no' }),
  timer_over: (view) => ({ view: { ...view, timer: null }, refetch: 'no' }),
  pinned: (view) => ({ view, refetch: 'now' }),
  unpinned: (view) => ({ view: { ...view, pin: null }, refetch: 'no' }),
  pin_previewed: (view, { event }) => ({ view: view.pin && view.pin.url === event.data.url ? { ...view, pin: { ...view.pin, title: text(event.data.title) } } : view, refetch: 'no' }),
  agenda_set: (view) => ({ view, refetch: 'soon' }),
  agenda_moved: (view, { event }) => ({ view: view.agenda ? { ...view, agenda: { ...view.agenda, now: typeof event.data.now === 'number' ? event.data.now : null } } : view, refetch: 'soon' }),
  chat_set: (view) => ({ view, refetch: 'soon' }),
  questions_set: (view) => ({ view, refetch: 'soon' }),
  silenced: (view, context) => ({ view: withOwn(withPerson(view, context.account, { silenced: true, muted: true }), context, { silenced: true, muted: true }), refetch: 'no' }),
  silence_lifted: (view, context) => ({ view: withOwn(withPerson(view, context.account, { silenced: false }), context, { silenced: false }), refetch: 'no' }),
  removed: (view, { account }) => ({ view: { ...view, participants: view.participants.filter((person) => person.account !== account) }, refetch: 'soon' }),
  removal_undone: (view) => ({ view, refetch: 'soon' }),
  heir_offered: (view, context) => ({ view: context.isSelf ? { ...view, me: { ...view.me, heir_offer: true } } : view, refetch: 'no' }),
  room_ended: (view, { event }) => ({ view: { ...view, ended_at: event.at ?? new Date().toISOString() }, refetch: 'no' }),
}

function agreed(view: RoomView, account: string): RoomView {
  const asked = view.attribution_change
  if (!asked) return view
  return { ...view, attribution_change: { ...asked, agreed: [...asked.agreed, account], waiting: asked.waiting.filter((one) => one !== account) } }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function withPerson(view: RoomView, account: string, change: Partial<Participant>): RoomView {
  return { ...view, participants: view.participants.map((person) => (person.account === account ? { ...person, ...change } : person)) }
}

function withOwn(view: RoomView, context: Context, change: Partial<RoomView['me']>): RoomView {
  return context.isSelf ? { ...view, me: { ...view.me, ...change } } : view
}

function withRole(view: RoomView, context: Context, role: Role, change: Partial<Participant>): RoomView {
  return withOwn(withPerson(view, context.account, { role, ...change }), context, { role, ...(role === 'speaker' || role === 'listener' ? { stage_invitation: null } : {}) })
}

function withoutHand(view: RoomView, context: Context): RoomView {
  const next = view.queue ? { ...view, queue: view.queue.filter((hand) => hand.account !== context.account) } : view
  return withOwn(next, context, { hand: null })
}
