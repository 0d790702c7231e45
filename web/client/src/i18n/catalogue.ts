import { en, type Plural } from './en'

export type Key = keyof typeof en

/** A part of the catalogue in another language: the same keys, plural where English is plural. A missing key does not compile. */
export type Translated<T> = { readonly [K in keyof T]: T[K] extends string ? string : Required<Pick<Plural, 'other'>> & Plural }

/** What another language must provide. */
export type Catalogue = Translated<typeof en>

type Placeholders<S extends string> = S extends `${string}{${infer P}}${infer Rest}` ? P | Placeholders<Rest> : never
type Values<K extends Key> = (typeof en)[K] extends string ? Placeholders<(typeof en)[K]> : 'count'

/** The arguments of a message: none, or an object with every placeholder of the English text. */
export type Arguments<K extends Key> = [Values<K>] extends [never] ? [] : [{ [P in Values<K>]: P extends 'count' | 'place' ? number : string }]
