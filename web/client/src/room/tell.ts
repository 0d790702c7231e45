/** What a person is told when something happens in the room: assertive for their own standing, polite for the rest, silence for joins and leaves. */
import type { LiveEvent, RoomView } from '../api/types'
import { t } from '../i18n/index.svelte'
import type { Notices } from '../toasts.svelte'
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
  room_titled: ({ event, isByOther, notices }) => {
    if (isByOther && typeof event.data.title === 'string' && event.data.title) notices.show(t('toast_titled', { title: event.data.title }))
  },
}

function both(notices: Notices, text: string): void {
  notices.interrupt(text)
  notices.show(text)
}
