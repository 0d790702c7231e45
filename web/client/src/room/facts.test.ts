import { describe, expect, it } from 'vitest'
import type { LiveEvent, Participant, Role, RoomView } from '../api/types'
import { circlesOf } from './circles'
import { applyEvent } from './facts'
import { powersOver } from './powers'
import { waitBefore } from './room-state.svelte'

function person(account: string, role: Role, more: Partial<Participant> = {}): Participant {
  return { account, username: account, name: account, role, muted: false, silenced: false, connected: true, entered_at: '2026-01-01T00:00:00.000Z', ...more }
}

function view(participants: Participant[], me: Partial<RoomView['me']> = {}, more: Partial<RoomView> = {}): RoomView {
  return {
    id: 'r', title: '', kind: 'open', host: { id: 'h', username: 'h', name: 'h' }, started_at: '', ended_at: null, language: 'en', attribution: 'off_record', attribution_change: null, visibility_change: null, queue_rule: 'first_come', stage_reactions: false, refetch_after_ms: 0, timer: null, pin: null, agenda: null, chat: { mode: 'everyone', slow_seconds: 0 }, questions: { on: true, anonymous: false }, audience_shown: 0,  guests_allowed: false, hands: 'everyone', seq: 5,
    counts: { all: participants.length, on_stage: 1, audience: 1, guests: 0 }, participants, ...more,
    me: { participant: 'me', role: 'listener', seated: true, hand: null, stage_invitation: null, heir_offer: false, last_moderator: false, overflow: false, blocked_on_stage: [], share: null, muted: false, switched_off: false, silenced: false, ...me },
  }
}

const fact = (kind: string, data: Record<string, unknown> = {}, seq = 6): LiveEvent => ({ kind, topic: 'room', room: 'r', seq, at: '2026-01-01T00:01:00.000Z', data })
const roleOf = (room: RoomView, account: string) => room.participants.find((one) => one.account === account)?.role

describe('facts', () => {
  it('that the view has already change nothing', () => {
    const room = view([person('me', 'listener')])
    expect(applyEvent(room, fact('speaker_joined', { account: 'me', csrc: 3 }, 5), 'me')).toEqual({ view: room, refetch: 'no' })
  })
  it('that nobody knows change nothing', () => {
    const room = view([])
    expect(applyEvent(room, fact('something_of_tomorrow'), 'me').view).toBe(room)
  })
  it('bring a person on stage, muted, with hand and invitation gone', () => {
    const room = view([person('me', 'listener')], { hand: { raised_at: '', note: '' }, stage_invitation: { by: { id: 'h', username: 'h', name: 'h' } } })
    const { view: next, refetch } = applyEvent(room, fact('speaker_joined', { account: 'me', csrc: 3 }), 'me')
    expect(next.participants[0]).toMatchObject({ role: 'speaker', csrc: 3, muted: true })
    expect(next.me).toMatchObject({ role: 'speaker', hand: null, stage_invitation: null })
    expect(next.seq).toBe(6)
    expect(refetch).toBe('now')
  })
  it('move to the audience', () => {
    const next = applyEvent(view([person('me', 'speaker')], { role: 'speaker' }), fact('moved_to_audience', { account: 'me', by: 'h' }), 'me').view
    expect([next.me.role, roleOf(next, 'me')]).toEqual(['listener', 'listener'])
  })
  it('hand the room to another host; the old one stays moderator', () => {
    const room = view([person('h', 'host'), person('me', 'speaker')], { role: 'speaker' })
    const next = applyEvent(room, fact('host_changed', { account: 'me' }), 'me').view
    expect([roleOf(next, 'h'), roleOf(next, 'me'), next.me.role, next.host.id]).toEqual(['moderator', 'host', 'host', 'me'])
  })
  it('silence at once, and lift without unmuting', () => {
    const silenced = applyEvent(view([person('me', 'speaker')], { role: 'speaker' }), fact('silenced', { account: 'me', by: 'h' }), 'me').view
    expect([silenced.me.silenced, silenced.participants[0]?.silenced, silenced.participants[0]?.muted]).toEqual([true, true, true])
    const lifted = applyEvent(silenced, fact('silence_lifted', { account: 'me', by: 'h' }, 7), 'me').view
    expect([lifted.me.silenced, lifted.me.muted]).toEqual([false, true])
  })
  it('take a lowered hand out of the queue', () => {
    const hand = { account: 'a', username: 'a', name: 'a', note: '', raised_at: '', followed_by_speakers: false }
    expect(applyEvent(view([], {}, { queue: [hand, { ...hand, account: 'b' }] }), fact('hand_lowered', { account: 'a' }), 'me').view.queue?.map((one) => one.account)).toEqual(['b'])
  })
  it('that are told once without a number always count', () => {
    const told: LiveEvent = { kind: 'mute_changed', topic: 'room', room: 'r', data: { account: 'a', muted: true } }
    expect(applyEvent(view([person('a', 'speaker')]), told, 'me').view.participants[0]?.muted).toBe(true)
  })
  it('fetch anew after a stream that could not resume', () => {
    expect(applyEvent(view([]), { kind: 'hello', topic: 'account', data: { resumed: false } }, 'me').refetch).toBe('now')
    expect(applyEvent(view([]), { kind: 'hello', topic: 'account', data: { resumed: true } }, 'me').refetch).toBe('no')
    expect(applyEvent(view([]), { kind: 'reset', topic: 'account', data: {} }, 'me').refetch).toBe('now')
  })
})

describe('the three rings', () => {
  it('put the host first, then moderators, then speakers by their time on stage; the audience stays in the order of the server', () => {
    const circles = circlesOf([
      person('late', 'speaker', { on_stage_since: '2' }), person('early', 'speaker', { on_stage_since: '1' }), person('mod', 'moderator', { on_stage_since: '9' }), person('host', 'host', { on_stage_since: '8' }),
      person('z', 'listener', { followed_by_speakers: true }), person('y', 'listener'), person('a', 'listener', { followed_by_speakers: true }),
    ])
    expect(circles.stage.map((one) => one.account)).toEqual(['host', 'mod', 'early', 'late'])
    expect(circles.followed.map((one) => one.account)).toEqual(['z', 'a'])
    expect(circles.others.map((one) => one.account)).toEqual(['y'])
  })
})

describe('powers', () => {
  it.each([
    ['a listener', 'listener', person('x', 'speaker'), []],
    ['a speaker', 'speaker', person('x', 'listener'), []],
    ['a moderator over the host', 'moderator', person('x', 'host'), ['mute_person', 'set_timer']],
    ['a moderator over another moderator', 'moderator', person('x', 'moderator'), ['mute_person', 'silence', 'set_timer']],
    ['a moderator over one they appointed', 'moderator', person('x', 'moderator', { muted: true, appointed_by: 'me' }), ['silence', 'set_timer', 'unmake_moderator', 'move_to_audience', 'remove_person']],
    ['a moderator over a silenced speaker', 'moderator', person('x', 'speaker', { silenced: true, muted: true }), ['lift_silence', 'set_timer', 'make_moderator', 'move_to_audience', 'remove_person']],
    ['a moderator over a listener', 'moderator', person('x', 'listener'), ['invite_to_stage', 'chat_mute', 'remove_person']],
    ['the host over a speaker who is away', 'host', person('x', 'speaker', { connected: false, muted: true }), ['silence', 'set_timer', 'make_moderator', 'move_to_audience', 'remove_person']],
    ['the host over a moderator', 'host', person('x', 'moderator', { muted: true }), ['silence', 'set_timer', 'unmake_moderator', 'hand_over_host', 'move_to_audience', 'remove_person']],
  ] as const)('of %s', (_, role, target, wanted) => {
    expect(powersOver({ account: 'me', role }, target)).toEqual(wanted)
  })
  it('over oneself are to step down, but not as host', () => {
    expect(powersOver({ account: 'me', role: 'speaker' }, person('me', 'speaker'))).toEqual(['step_down'])
    expect(powersOver({ account: 'me', role: 'host' }, person('me', 'host'))).toEqual([])
  })
})

it('large rooms ask the server at different times', () => {
  expect(waitBefore('now', 5000, 15_000, 1)).toBe(0)
  expect(waitBefore('soon', 3, 0, 1)).toBeLessThan(150)
  expect(waitBefore('calm', 5000, 15_000, 1)).toBe(15_250)
  expect(waitBefore('calm', 5000, 15_000, 0)).toBe(250)
})
