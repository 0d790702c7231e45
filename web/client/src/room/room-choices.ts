/** What may be chosen for a room, in the order in which it is offered. */
import type { Attribution, Kind, QueueRule } from '../api/types'

export const attributions: Attribution[] = ['off_record', 'chatham_house', 'background', 'on_record']
export const queueRules: QueueRule[] = ['first_come', 'first_timers', 'least_airtime', 'alternate', 'lot']

const kinds: Kind[] = ['closed', 'social', 'open']

/** A live room only ever opens wider: closed, social, open. */
export function widerKinds(kind: Kind): Kind[] {
  return kinds.slice(kinds.indexOf(kind) + 1)
}
