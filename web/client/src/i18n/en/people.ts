import type { Plural } from '../en'

/** Profiles, following and blocking. */
export const people = {
} as const satisfies Record<string, string | Plural>
