/** Which languages there are, which one is wanted, and their catalogues, of which only the wanted one is fetched. Plain, so that the fetch can begin before anything else is there. */
import type { Catalogue } from './catalogue'

export type Language = 'en' | 'ru'
export type LanguageChoice = Language | 'system'

const stored = 'besedka.language'

const sources: Record<Language, () => Promise<Catalogue>> = {
  en: () => import('./en').then((part) => part.en),
  ru: () => import('./ru').then((part) => part.ru),
}

/** The catalogues that are there. */
export const catalogues: Partial<Record<Language, Catalogue>> = {}

/** Fetches the catalogue of a language, unless it is there. */
export async function fetchCatalogue(language: Language): Promise<void> {
  catalogues[language] ??= await sources[language]()
}

/** The first of the wanted languages that we speak; English if none. */
export function bestLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const language = tag.toLowerCase().split('-')[0]
    if (language === 'en' || language === 'ru') return language
  }
  return 'en'
}

export function languageOf(choice: LanguageChoice): Language {
  return choice === 'system' ? bestLanguage(globalThis.navigator?.languages ?? []) : choice
}

export function storedChoice(): LanguageChoice {
  const choice = localStorage.getItem(stored)
  return choice === 'en' || choice === 'ru' ? choice : 'system'
}

export function storeChoice(choice: LanguageChoice): void {
  if (choice === 'system') localStorage.removeItem(stored)
  else localStorage.setItem(stored, choice)
}
