import { Problem } from '../api/client'
import { isKey, type Key, t } from './index.svelte'

/** Says in words what the server refused: our own where we have them, else the server's, else what the status means. */
export function explain(error: unknown): string {
  if (!(error instanceof Problem)) return t('problem_unexpected', { code: error instanceof Error ? error.name : 'unknown' })
  if (error.code === 'too_many_attempts') return t('problem_too_many_attempts', { count: error.retryAfterSeconds ?? 30 })
  const key = `problem_${error.code}`
  if (isKey(key) && key !== 'problem_unexpected') return t(key as Exclude<Key, WithValues>)
  if (error.detail) return error.detail
  const general = byStatus[error.status]
  return general ? t(general) : t('problem_unexpected', { code: error.code })
}

type WithValues = { [K in Key]: Parameters<typeof t<K>> extends [K] ? never : K }[Key]

const byStatus: Record<number, Exclude<Key, WithValues>> = {
  401: 'problem_unauthenticated',
  403: 'problem_forbidden',
  404: 'problem_not_found',
  410: 'problem_room_ended',
  429: 'problem_too_many_requests',
  503: 'problem_unavailable',
}
