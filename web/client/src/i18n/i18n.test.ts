import { describe, expect, it } from 'vitest'
import { Problem } from '../api/client'
import { en, type Plural } from './en'
import { ago, bestLanguage, format, type Key, span } from './index.svelte'
import { fetchCatalogue } from './languages'
import { explain } from './problem'
import { ru } from './ru'

await Promise.all([fetchCatalogue('en'), fetchCatalogue('ru')])

const keys = Object.keys(en) as Key[]
const forms = (message: string | Plural): string[] => (typeof message === 'string' ? [message] : Object.values(message))
const placeholders = (text: string): string => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort().join(' ')

describe('the catalogues', () => {
  it('have the same keys', () => expect(Object.keys(ru).sort()).toEqual([...keys].sort()))

  it.each(keys)('%s has the same placeholders in every form of both languages', (key) => {
    const wanted = placeholders(forms(en[key])[0] ?? '')
    for (const text of [...forms(en[key]), ...forms(ru[key])]) expect(placeholders(text), text).toBe(wanted)
  })

  it.each(keys.filter((key) => typeof en[key] !== 'string'))('%s has every plural form of its language', (key) => {
    expect(Object.keys(en[key]).sort()).toEqual(new Intl.PluralRules('en').resolvedOptions().pluralCategories.toSorted())
    expect(Object.keys(ru[key]).sort()).toEqual(new Intl.PluralRules('ru').resolvedOptions().pluralCategories.toSorted())
  })

  it('leave no Latin sentence in Russian', () => {
    for (const key of keys) for (const text of forms(ru[key])) expect(text.replace(/\{\w+\}|https|a–z| M\.|F8/g, ''), key).not.toMatch(/[A-Za-z]{2}/)
  })
})

describe('words', () => {
  it.each([[1, '1 новая комната'], [2, '2 новые комнаты'], [5, '5 новых комнат'], [11, '11 новых комнат'], [21, '21 новая комната'], [101, '101 новая комната']])(
    'count %d rooms in Russian', (count, text) => expect(format('ru', 'new_rooms', { count })).toBe(text))
  it('count one and many in English', () => {
    expect(format('en', 'new_rooms', { count: 1 })).toBe('1 new room')
    expect(format('en', 'new_rooms', { count: 3 })).toBe('3 new rooms')
  })
  it('choose the first language that we speak', () => {
    expect(bestLanguage(['de-AT', 'ru-RU', 'en'])).toBe('ru')
    expect(bestLanguage(['fr'])).toBe('en')
  })
  it('tell spans as a clock does', () => {
    expect([7_000, 750_000, 3_723_000].map(span)).toEqual(['0:07', '12:30', '1:02:03'])
  })
  it('tell how long ago', () => expect(ago('2026-01-01T00:00:00.000Z', Date.parse('2026-01-01T00:05:30Z'))).toBe('5 minutes ago'))
})

describe('problems', () => {
  it('have words by code', () => expect(explain(new Problem(409, 'username_taken'))).toBe(en.problem_username_taken))
  it('fall back to the status', () => expect(explain(new Problem(403, 'never_heard_of'))).toBe(en.problem_forbidden))
  it('say how long to wait', () => expect(explain(new Problem(429, 'too_many_attempts', null, 12))).toContain('12 seconds'))
  it('do not leak an unknown error', () => expect(explain(new TypeError('secret'))).not.toContain('secret'))
})
