import { afterEach, expect, it, vi } from 'vitest'
import { Client, Problem } from './api/client'
import type { LiveEvent } from './api/types'
import { backoff } from './backoff'
import { FrameParser, Live } from './live'

afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

it('cuts frames whatever the chunks', () => {
  const text = ': hello\r\n\r\nid: 1.r.2\ndata: {"a":\ndata: 1}\n\nevent: x\ndata:two\n\n'
  for (let size = 1; size <= text.length; size++) {
    const parser = new FrameParser()
    const frames = []
    for (let at = 0; at < text.length; at += size) frames.push(...parser.push(text.slice(at, at + size)))
    expect(frames, `chunks of ${size}`).toEqual([{ id: '1.r.2', data: '{"a":\n1}' }, { id: null, data: 'two' }])
  }
})

it('waits from 0.3 to 7 seconds, longer each time', () => {
  expect(backoff(0, () => 0)).toBe(300)
  expect(backoff(0, () => 1)).toBe(600)
  expect(backoff(20, () => 0)).toBe(3500)
  expect(backoff(20, () => 1)).toBe(7000)
})

it('keeps the moment at which the server says to come back', () => {
  const parser = new FrameParser()
  expect(parser.retry).toBe(null)
  parser.push('retry: 1730\n\ndata: {}\n\nretry: soon\n\n')
  expect(parser.retry).toBe(1730)
  parser.push('retry: 0\n\n')
  expect(parser.retry).toBe(300)
  parser.push('retry: 999999\n\n')
  expect(parser.retry).toBe(30_000)
})

function stream(...parts: string[]): Response {
  return new Response(new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(new TextEncoder().encode(part))
      controller.close()
    },
  }), { status: 200 })
}

function collect() {
  const events: LiveEvent[] = []
  let wanted = Infinity
  let done = () => {}
  const listener = {
    event: (event: LiveEvent) => { events.push(event); if (events.length >= wanted) done() },
    connected: vi.fn(),
    refused: vi.fn((_: Problem) => done()),
  }
  return { events, listener, until: (count: number) => new Promise<void>((resolve) => { wanted = count; done = resolve }) }
}

it('resumes behind the last event with an id', async () => {
  const requests: [string, Record<string, string>][] = []
  const answers = [
    stream('id: 7.r.1\ndata: {"kind":"hello"}\n\n', 'data: {"kind":"mute_changed"}\n\n'),
    stream('id: 7.r.2\ndata: {"kind":"hand_raised"}\n\n'),
  ]
  vi.stubGlobal('fetch', vi.fn((url: string, init: RequestInit) => {
    requests.push([url, init.headers as Record<string, string>])
    return answers.length > 0 ? Promise.resolve(answers.shift()) : new Promise(() => {})
  }))
  const { events, listener, until } = collect()
  const live = new Live(new Client('bg_token'), listener)
  const arrived = until(3)
  live.watch('r')
  await arrived
  live.stop()
  expect(events.map((event) => event.kind)).toEqual(['hello', 'mute_changed', 'hand_raised'])
  expect(requests[0]?.[0]).toBe('/api/v1/events?room=r')
  expect(requests[0]?.[1]).not.toHaveProperty('Last-Event-ID')
  expect(requests[1]?.[1]).toMatchObject({ 'Last-Event-ID': '7.r.1', Authorization: 'Bearer bg_token' })
  expect(listener.connected).toHaveBeenCalledWith(false)
})

it('gives up only when the server refuses for good', async () => {
  const answers = [new Response('', { status: 503 }), new Response('{"code":"room_ended"}', { status: 410 })]
  vi.stubGlobal('fetch', vi.fn(() => Promise.resolve(answers.shift())))
  const { listener, until } = collect()
  const refused = until(1)
  new Live(new Client(), listener).watch('r')
  await refused
  expect(listener.refused.mock.calls[0]?.[0]).toMatchObject({ code: 'room_ended' })
  expect(answers).toHaveLength(0)
})

it('comes back to a server that ended when that server said', async () => {
  vi.useFakeTimers()
  const asked = vi.fn()
  vi.stubGlobal('fetch', asked)
  asked.mockImplementationOnce(() => Promise.resolve(stream('data: {"kind":"server_stopping","data":{"retry_ms":2400}}\n\n')))
  asked.mockImplementation(() => new Promise(() => {}))
  const { listener } = collect()
  const live = new Live(new Client(), listener)
  live.watch('r')
  await vi.advanceTimersByTimeAsync(2300)
  expect(listener.connected).toHaveBeenLastCalledWith(false)
  expect(asked).toHaveBeenCalledTimes(1)
  await vi.advanceTimersByTimeAsync(200)
  expect(asked).toHaveBeenCalledTimes(2)
  live.stop()
})

it('comes back to a server that was lost at the moment that was its own, and at the same moment of each span after', async () => {
  vi.useFakeTimers()
  const asked = vi.fn()
  vi.stubGlobal('fetch', asked)
  asked.mockImplementationOnce(() => Promise.resolve(stream('retry: 1730\n\n', 'data: {"kind":"hello"}\n\n')))
  asked.mockImplementation(() => Promise.reject(new TypeError('away')))
  const live = new Live(new Client(), collect().listener)
  live.watch('r')
  const counts = []
  for (const time of [1700, 100, 1900, 100, 1900, 100]) {
    await vi.advanceTimersByTimeAsync(time)
    counts.push(asked.mock.calls.length)
  }
  expect(counts).toEqual([1, 2, 2, 3, 3, 4])
  live.stop()
})
