/** The three rings of people in a room. */
import type { Participant } from '../api/types'

export interface Circles {
  stage: Participant[]
  followed: Participant[]
  others: Participant[]
}

const rank = { host: 0, moderator: 1, speaker: 2, listener: 3 }

/** Stage: host, moderators, speakers, each by the time they came up. Audience: as the server ordered it for this viewer. */
export function circlesOf(participants: readonly Participant[]): Circles {
  const circles: Circles = { stage: [], followed: [], others: [] }
  for (const person of participants) {
    if (isOnStage(person)) circles.stage.push(person)
    else if (person.followed_by_speakers) circles.followed.push(person)
    else circles.others.push(person)
  }
  circles.stage.sort((a, b) => rank[a.role] - rank[b.role] || (a.on_stage_since ?? '').localeCompare(b.on_stage_since ?? ''))
  return circles
}

export function isOnStage(person: { role: string | null }): boolean {
  return person.role !== null && person.role !== 'listener'
}

export function isModerator(person: { role: string | null }): boolean {
  return person.role === 'host' || person.role === 'moderator'
}
