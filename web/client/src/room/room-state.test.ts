import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { RoomView } from '../api/types'
import { RoomState } from './room-state.svelte'

const view = (seq: number, title = ''): RoomView => ({
  id: 'r', title, kind: 'open', host: { id: 'h', username: 'h', name: 'h' }, started_at: '', ended_at: null, language: 'en', attribution: 'off_record', attribution_change: null, visibility_change: null, queue_rule: 'first_come', stage_reactions: false, refetch_after_ms: 0, timer: null, pin: null, agenda: null, chat: { mode: 'everyone', slow_seconds: 0 }, questions: { on: true, anonymous: false }, audience_shown: 0,  guests_allowed: false, hands: 'everyone', seq,
  counts: { all: 2, on_stage: 2, audience: 0, guests: 0 }, participants: [],
  me: { participant: 'me', role: 'moderator', seated: true, hand: null, stage_invitation: null, heir_offer: false, last_moderator: false, overflow: false, blocked_on_stage: [], share: null, muted: true, switched_off: false, silenced: false },
})

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

function stateWith(fetch: () => Promise<RoomView>) {
  return new RoomState(view(5), { self: 'me', fetch, random: () => 0.5 })
}

it('gathers many events into one request', async () => {
  const fetch = vi.fn(async () => view(9, 'new'))
  const state = stateWith(fetch)
  for (let at = 0; at < 20; at++) state.apply({ kind: 'participants_changed', topic: 'room', data: { counts: { all: at } } })
  expect(state.view.counts.all).toBe(19)
  await vi.advanceTimersByTimeAsync(1000)
  expect(fetch).toHaveBeenCalledTimes(1)
  expect(state.view.title).toBe('new')
})

it('does not go back to a view older than a fact it has', async () => {
  const answers = [view(5, 'old'), view(6, 'new')]
  const state = stateWith(async () => answers.shift() ?? view(6, 'new'))
  state.apply({ kind: 'room_titled', topic: 'room', seq: 6, data: { title: 'new' } })
  state.refetch('now')
  await vi.advanceTimersByTimeAsync(10)
  expect(state.view.title).toBe('new')
  await vi.advanceTimersByTimeAsync(2000)
  expect(answers).toHaveLength(0)
  expect(state.view.title).toBe('new')
})

it('asks nothing after it was stopped', async () => {
  const fetch = vi.fn(async () => view(9))
  const state = stateWith(fetch)
  state.refetch('soon')
  state.stop()
  await vi.advanceTimersByTimeAsync(5000)
  expect(fetch).not.toHaveBeenCalled()
})
