import type { Plural } from '../en'

/** What is beside the voice: chat, questions, polls, agenda, the pinned link. */
export const beside = {
} as const satisfies Record<string, string | Plural>
