import type { stage as english } from '../en/stage'
import type { Translated } from '../catalogue'

/** Opening a room, the stage and its moderators. */
export const stage: Translated<typeof english> = {
}
