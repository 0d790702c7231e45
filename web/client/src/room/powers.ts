/** What a viewer may do to a person in a room. The server decides; this only keeps impossible buttons off the screen. */
import type { Participant, Role } from '../api/types'
import { isModerator, isOnStage } from './circles'

export type Power =
  | 'invite_to_stage' | 'move_to_audience' | 'make_moderator' | 'unmake_moderator'
  | 'mute_person' | 'silence' | 'lift_silence' | 'hand_over_host' | 'remove_person' | 'step_down' | 'set_timer' | 'chat_mute'

export interface Viewer {
  account: string
  role: Role | null
}

type Target = Pick<Participant, 'account' | 'role' | 'muted' | 'silenced' | 'connected' | 'appointed_by'>

export function powersOver(viewer: Viewer, target: Target): Power[] {
  if (viewer.account === target.account) return isOnStage(target) && target.role !== 'host' ? ['step_down'] : []
  if (!isModerator(viewer)) return []
  if (target.role === 'listener') return ['invite_to_stage', 'chat_mute', 'remove_person']
  const powers: Power[] = []
  const isOverTarget = target.role === 'speaker' || (target.role === 'moderator' && (viewer.role === 'host' || target.appointed_by === viewer.account))
  if (!target.muted) powers.push('mute_person')
  if (target.role !== 'host') powers.push(target.silenced ? 'lift_silence' : 'silence')
  powers.push('set_timer')
  if (target.role === 'speaker') powers.push('make_moderator')
  if (target.role === 'moderator' && isOverTarget) powers.push('unmake_moderator')
  if (viewer.role === 'host' && target.connected) powers.push('hand_over_host')
  if (isOverTarget) powers.push('move_to_audience', 'remove_person')
  return powers
}
