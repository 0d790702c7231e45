import type { sound as english } from '../en/sound'
import type { Translated } from '../catalogue'

/** Sound at the listener’s and the speaker’s end. */
export const sound: Translated<typeof english> = {
}
