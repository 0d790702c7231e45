import type { beside as english } from '../en/beside'
import type { Translated } from '../catalogue'

/** What is beside the voice: chat, questions, polls, agenda, the pinned link. */
export const beside: Translated<typeof english> = {
}
