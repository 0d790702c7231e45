import { describe, expect, it, vi } from 'vitest'
import type { RoomCalls } from '../api/calls'
import type { LiveEvent, Message } from '../api/types'
import { Beside, merged, messageOf } from './beside.svelte'

const author = (id: string) => ({ id, username: id, name: id })
const message = (id: string, at: string, by = 'x'): Message => ({ id, seq: Number(at), at, text: id, author: author(by) })
const question = (id: string, votes: number, voted: boolean) => ({ id, votes, voted })
const fact = (kind: string, data: Record<string, unknown>): LiveEvent => ({ kind, topic: 'room', room: 'r', seq: 1, at: '2026-01-01T00:00:05.000Z', data })

describe('messages', () => {
  it('stand in the order of time, each once', () => {
    expect(merged([message('b', '2'), message('a', '1')], [message('b', '2'), message('c', '3')]).map((one) => one.id)).toEqual(['a', 'b', 'c'])
  })
  it('are read from a fact, or not at all', () => {
    expect(messageOf(fact('message', { id: 'a', text: 'hello', author: author('x') }))?.at).toBe('2026-01-01T00:00:05.000Z')
    expect(messageOf(fact('message', { id: 'a' }))).toBeNull()
  })
})

describe('what is beside the voice', () => {
  function beside() {
    const calls = {
      messages: vi.fn(async () => ({ messages: [message('a', '1')], next: null })),
      backchannel: vi.fn(async () => ({ messages: [], next: null })),
      questions: vi.fn(async () => []),
      polls: vi.fn(async () => []),
    }
    return { calls, beside: new Beside(calls as unknown as RoomCalls, 'me') }
  }
  it('is counted while nobody looks, and nothing is fetched', () => {
    const { calls, beside: it } = beside()
    it.event(fact('message', { ...message('b', '2') }))
    it.event(fact('message', { ...message('c', '3', 'me') }))
    it.event(fact('poll_opened', { by: 'x' }))
    expect(it.unread).toBe(2)
    expect(calls.messages).not.toHaveBeenCalled()
    it.stop()
  })
  it('is seen when the person looks', async () => {
    const { beside: it } = beside()
    it.event(fact('message', { ...message('b', '2') }))
    await it.show('chat')
    expect(it.unread).toBe(0)
    expect(it.chat.messages?.map((one) => one.id)).toEqual(['a'])
    it.event(fact('message', { ...message('b', '2') }))
    expect(it.unread).toBe(0)
    expect(it.chat.messages).toHaveLength(2)
    it.event(fact('message_deleted', { id: 'a' }))
    expect(it.chat.messages?.map((one) => one.id)).toEqual(['b'])
    it.stop()
  })
  it('keeps the last five hundred messages, and the way to the others', async () => {
    const { calls, beside: it } = beside()
    await it.show('chat')
    for (let at = 2; at < 702; at++) it.chat.add(message(`m${at}`, String(at).padStart(4, '0')), false)
    expect(it.chat.messages?.length).toBeLessThanOrEqual(600)
    expect(it.chat.hasMore).toBe(true)
    await it.chat.older()
    expect(calls.messages).toHaveBeenLastCalledWith(String(it.chat.messages?.find((one) => one.seq > 1)?.seq))
    it.stop()
  })
  it('counts votes as they are told, and fetches nothing', async () => {
    vi.useFakeTimers()
    const { calls, beside: it } = beside()
    calls.questions.mockResolvedValue([question('a', 1, true), question('b', 2, false)] as never)
    calls.polls.mockResolvedValue([{ id: 'p', options: [{ text: 'x', votes: 0 }, { text: 'y', votes: 1 }], choice: 1 }] as never)
    await it.show('questions')
    await it.show('polls')
    it.event(fact('question_voted', { votes: { a: 5, elsewhere: 9 } }))
    expect(it.questions).toEqual([question('a', 5, true), question('b', 2, false)])
    it.voted('b', true)
    it.voted('b', true)
    expect(it.questions?.[1]).toEqual(question('b', 3, true))
    it.event(fact('question_voted', { votes: { b: 3 } }))
    it.voted('a', false)
    expect(it.questions).toEqual([question('a', 4, false), question('b', 3, true)])
    it.event(fact('poll_result', { id: 'p', options: [{ text: 'x', votes: 4 }, { text: 'y', votes: 2 }], voters: 6 }))
    expect(it.polls).toEqual([{ id: 'p', options: [{ text: 'x', votes: 4 }, { text: 'y', votes: 2 }], choice: 1 }])
    for (const data of [{}, { votes: null }, { votes: { a: 'x' } }]) it.event(fact('question_voted', data))
    expect(it.questions?.[0]?.votes).toBe(4)
    await vi.advanceTimersByTimeAsync(5000)
    expect([calls.questions.mock.calls.length, calls.polls.mock.calls.length]).toEqual([1, 1])
    vi.useRealTimers()
    it.stop()
  })
  it('fetches a list once for many changes', async () => {
    vi.useFakeTimers()
    const { calls, beside: it } = beside()
    await it.show('questions')
    for (let at = 0; at < 50; at++) it.event(fact('question_state', { id: 'q', state: 'answered' }))
    await vi.advanceTimersByTimeAsync(2000)
    expect(calls.questions).toHaveBeenCalledTimes(2)
    vi.useRealTimers()
    it.stop()
  })
})
