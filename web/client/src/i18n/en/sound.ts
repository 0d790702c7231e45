import type { Plural } from '../en'

/** Sound at the listener’s and the speaker’s end. */
export const sound = {
} as const satisfies Record<string, string | Plural>
