/**
 * Words for people, in the language that the person chose or the browser asks for.
 * Reading `t` in a component makes it follow a change of language.
 */
import type { Arguments, Key } from './catalogue'
import type { Plural } from './en'
import { catalogues, fetchCatalogue, type Language, type LanguageChoice, languageOf, storeChoice, storedChoice } from './languages'

export type { Key } from './catalogue'
export { bestLanguage, type Language, type LanguageChoice } from './languages'

class Words {
  choice = $state<LanguageChoice>('system')
  language = $derived(languageOf(this.choice))

  /** Reads the stored choice and fetches its words; called once at start. */
  async restore(): Promise<void> {
    this.choice = storedChoice()
    document.documentElement.lang = this.language
    await fetchCatalogue(this.language)
  }

  /** Changes the language when its words are there. */
  async choose(choice: LanguageChoice): Promise<void> {
    await fetchCatalogue(languageOf(choice))
    this.choice = choice
    storeChoice(choice)
    document.documentElement.lang = this.language
  }
}

export const words = new Words()

/** Whether there is a message for what the server, or somebody, named. */
export function isKey(name: string): name is Key {
  return name in (catalogues[words.language] ?? {})
}

/** The message of a key, with its placeholders filled in. Placeholders become text, never markup. */
export function t<K extends Key>(key: K, ...[values]: Arguments<K>): string {
  return format(words.language, key, (values ?? {}) as Record<string, string | number>)
}

/** As t, for a language given. */
export function format(language: Language, key: Key, values: Record<string, string | number>): string {
  const message: string | Plural = catalogues[language]?.[key] ?? key
  const text = typeof message === 'string' ? message : (message[pluralOf(language, Number(values.count)) as keyof Plural] ?? message.other)
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name]
    if (value === undefined) return whole
    return typeof value === 'number' ? new Intl.NumberFormat(language).format(value) : value
  })
}

const rules = { en: new Intl.PluralRules('en'), ru: new Intl.PluralRules('ru') }

function pluralOf(language: Language, count: number): Intl.LDMLPluralRule {
  return rules[language].select(count)
}

/** A day as people write it. */
export function day(time: string): string {
  return new Intl.DateTimeFormat(words.language, { dateStyle: 'long' }).format(new Date(time))
}

/** How long ago, in the largest unit that fits. */
export function ago(time: string, now: number = Date.now()): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(time)) / 1000))
  const relative = new Intl.RelativeTimeFormat(words.language, { numeric: 'auto' })
  if (seconds < 60) return relative.format(0, 'second')
  if (seconds < 3600) return relative.format(-Math.floor(seconds / 60), 'minute')
  if (seconds < 86400) return relative.format(-Math.floor(seconds / 3600), 'hour')
  return relative.format(-Math.floor(seconds / 86400), 'day')
}

/** A time of today as people write it. */
export function until(time: string): string {
  return new Intl.DateTimeFormat(words.language, { timeStyle: 'short' }).format(new Date(time))
}

/** What a language is called, in the language of the page; its code if nobody knows. */
export function languageName(code: string): string {
  try {
    return new Intl.DisplayNames(words.language, { type: 'language' }).of(code) ?? code
  } catch {
    return code
  }
}

/** A span as a clock shows it: 0:07, 12:30, 1:02:03. */
export function span(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000))
  const two = (value: number) => String(value).padStart(2, '0')
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor((seconds % 3600) / 60)
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`
}

/** A count as the language groups it. */
export function number(count: number): string {
  return new Intl.NumberFormat(words.language).format(count)
}

/** An amount of data, as people pay for it. */
export function megabytes(bytes: number): string {
  return new Intl.NumberFormat(words.language, { style: 'unit', unit: 'megabyte', maximumFractionDigits: 1 }).format(bytes / 1e6)
}

/** Names joined as a list of the language. */
export function list(names: string[]): string {
  return new Intl.ListFormat(words.language, { type: 'conjunction' }).format(names)
}
