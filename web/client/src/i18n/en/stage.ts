import type { Plural } from '../en'

/** Opening a room, the stage and its moderators. */
export const stage = {
} as const satisfies Record<string, string | Plural>
