import { describe, expect, it } from 'vitest'
import type { Card } from './api/types'
import { updateInPlace } from './hallway.svelte'
import { deviceOf } from './routes/device'
import { isUsername, judgePassphrase, lengthOf, tidyUsername } from './routes/sign-up'
import { routeOf } from './router.svelte'
import { initials, toneOf, tones } from './ui/face'

describe('addresses', () => {
  it.each([
    ['/', { page: 'hallway' }], ['/join/abc', { page: 'join', code: 'abc' }], ['/rooms/r1', { page: 'room', room: 'r1' }], ['/listen/r1', { page: 'listen', room: 'r1' }], ['/@ann', { page: 'profile', username: 'ann' }],
    ['/settings', { page: 'settings' }], ['/connection', { page: 'connection' }], ['/components', { page: 'components' }], ['/invitations/', { page: 'invitations' }], ['/sign-in', { page: 'sign-in' }], ['/rooms', { page: 'nothing' }], ['/@', { page: 'nothing' }], ['/a/b/c', { page: 'nothing' }], ['/%E0', { page: 'nothing' }],
  ])('%s', (path, route) => expect(routeOf(path)).toEqual(route))
})

describe('cards of the hallway', () => {
  const card = (id: string, all: number): Card => ({ id, title: id, kind: 'open', started_at: '', host: { id: 'h', username: 'h', name: 'h' }, faces: [], counts: { all, on_stage: 1 }, guests_allowed: false, language: 'en', attribution: 'off_record', shared_by: [] })
  it('change where they stand; new rooms wait, ended ones stay marked', () => {
    const shown = [card('a', 1), card('b', 1)].map((one) => ({ ...one, isOver: false }))
    const { cards, waiting } = updateInPlace(shown, [card('n', 9), card('b', 7)])
    expect(cards.map((one) => [one.id, one.counts.all, one.isOver])).toEqual([['a', 1, true], ['b', 7, false]])
    expect(waiting).toBe(1)
  })
})

describe('a new account', () => {
  it.each([['abc', true], ['a_1', true], ['ab', false], ['a'.repeat(17), false], ['Abc', false], ['аня', false], ['a b', false]])('username %s', (name, isGood) => expect(isUsername(name)).toBe(isGood))
  it('tidies what was typed', () => expect(tidyUsername(' @Ann ')).toBe('ann'))
  it('counts characters, not halves of them', () => expect(lengthOf('ёж🦔')).toBe(3))
  it.each([
    ['', 'empty'], ['a'.repeat(14), 'short'], ['seven quiet herons', 'good'], ['my name is ANNA and so', 'has_username'],
  ])('passphrase %s', (passphrase, is) => expect(judgePassphrase(passphrase, 'anna').is).toBe(is))
})

describe('faces', () => {
  it.each([['Grey Heron', 'GH'], ['hoopoe', 'H'], ['  ', ''], ['Иван Иванович Ёжик', 'ИЁ'], ['🦔 Hedgehog', '🦔H']])('%s', (name, letters) => expect(initials(name)).toBe(letters))
  it('keep their colour and use all of them', () => {
    const used = new Set(Array.from({ length: 500 }, (_, at) => toneOf(`account-${at}`)))
    expect(used.size).toBe(tones)
    expect(toneOf('a')).toBe(toneOf('a'))
  })
})

it.each([
  ['Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36', { browser: 'Chrome', system: 'Linux' }],
  ['Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17.0 Safari/604.1', { browser: 'Safari', system: 'iOS' }],
  ['Mozilla/5.0 (Windows NT 10.0; rv:153.0) Gecko/20100101 Firefox/153.0', { browser: 'Firefox', system: 'Windows' }],
  ['curl/8', null],
])('names the device of %s', (userAgent, device) => expect(deviceOf(userAgent)).toEqual(device))
