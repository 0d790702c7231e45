/** What a person is told when something happens in the room: assertive for their own standing, polite for the rest, silence for joins and leaves. */
import type { LiveEvent, RoomView } from '../api/types'
import { isKey, list, t } from '../i18n/index.svelte'
import type { Notices } from '../toasts.svelte'
import { chime } from './chime'
import { isModerator } from './circles'

type Teller = (tale: Tale) => void

interface Tale {
  event: LiveEvent
  before: RoomView
  notices: Notices
  isSelf: boolean
  isByOther: boolean
  name: string
}

/** Says what the event means to the person `self`, who knew the room as `before`. */
export function tell(event: LiveEvent, before: RoomView, self: string, notices: Notices): void {
  const account = event.data.account
  const name = before.participants.find((person) => person.account === account)?.name ?? ''
  tellers[event.kind]?.({ event, before, notices, isSelf: account === self, isByOther: event.data.by !== self, name })
}

const tellers: Record<string, Teller> = {
  speaker_joined: ({ isSelf, notices }) => isSelf && notices.interrupt(t('say_on_stage')),
  moved_to_audience: ({ isSelf, isByOther, event, notices }) => {
    if (!isSelf) return
    notices.interrupt(t('say_off_stage'))
    if (isByOther && event.data.by) notices.show(t('toast_moved'))
  },
  moderator_made: ({ isSelf, notices }) => isSelf && both(notices, t('say_moderator')),
  moderator_unmade: ({ isSelf, isByOther, notices }) => isSelf && isByOther && both(notices, t('say_not_moderator')),
  host_changed: ({ isSelf, notices }) => isSelf && both(notices, t('say_host')),
  silenced: ({ isSelf, notices }) => isSelf && notices.interrupt(t('say_silenced')),
  silence_lifted: ({ isSelf, notices }) => isSelf && both(notices, t('say_silence_lifted')),
  hand_raised: ({ isSelf, before, name, notices }) => !isSelf && isModerator(before.me) && notices.say(t('say_hand_raised', { name })),
  hand_lowered: ({ isSelf, isByOther, event, before, notices }) => {
    if (isSelf && isByOther && event.data.by && before.me.hand) both(notices, t('say_hand_lowered'))
  },
  stage_invitation_declined: ({ name, isSelf, notices }) => !isSelf && name && notices.show(t('toast_declined', { name })),
  visibility_changing: ({ event, notices }) => {
    const by = event.data.by as { name?: string } | undefined
    notices.say(t(event.data.to === 'open' ? 'opening_to_all' : 'opening_to_social', { name: by?.name ?? '' }))
  },
  attribution_changed: ({ event, notices }) => {
    const key = `attribution_${String(event.data.attribution ?? event.data.to)}` as 'attribution_on_record'
    both(notices, t('attribution_is', { mode: t(isKey(key) ? key : 'attribution_off_record') }))
  },
  attribution_refused: ({ isByOther, notices }) => isByOther && notices.show(t('attribution_stays')),
  room_reset: ({ event, before, notices }) => {
    const hosts = (event.data.hosts as { name: string }[] | undefined) ?? []
    const text = t('reset_banner', { title: String(event.data.title || before.title || t('untitled_room', { name: before.host.name })), names: list(hosts.map((host) => host.name)) })
    notices.show(text, { forMilliseconds: 8000 })
    notices.say(text)
  },
  timer_over: ({ isSelf, notices }) => {
    if (!isSelf) return
    chime()
    both(notices, t('timer_over'))
  },
  room_titled: ({ event, isByOther, notices }) => {
    if (isByOther && typeof event.data.title === 'string' && event.data.title) notices.show(t('toast_titled', { title: event.data.title }))
  },
}

function both(notices: Notices, text: string): void {
  notices.interrupt(text)
  notices.show(text)
}
