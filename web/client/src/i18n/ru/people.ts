import type { people as english } from '../en/people'
import type { Translated } from '../catalogue'

/** Profiles, following and blocking. */
export const people: Translated<typeof english> = {
}
