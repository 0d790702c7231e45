/** What a person is told when something happens in the room: assertive for their own standing, polite for the rest. What the view says by itself is told by room-told.svelte. */
import type { Attribution, LiveEvent, RoomView } from '../api/types'
import { isKey, list, t } from '../i18n/index.svelte'
import type { Notices } from '../toasts.svelte'
import { chime } from './chime'
import { isModerator } from './circles'
import { readReactions } from './reactions'

const mostMentioned = 3

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
  moved_to_audience: ({ isSelf, isByOther, event, notices }) => {
    if (!isSelf) return
    if (isByOther && event.data.by) notices.show(t('toast_moved'), { isUrgent: true })
    else notices.interrupt(t('say_off_stage'))
  },
  moderator_made: ({ isSelf, notices }) => isSelf && notices.show(t('say_moderator'), { isUrgent: true }),
  moderator_unmade: ({ isSelf, isByOther, notices }) => isSelf && isByOther && notices.show(t('say_not_moderator'), { isUrgent: true }),
  host_changed: ({ isSelf, notices }) => isSelf && notices.show(t('say_host'), { isUrgent: true }),
  silenced: ({ isSelf, notices }) => isSelf && notices.interrupt(t('say_silenced')),
  silence_lifted: ({ isSelf, notices }) => isSelf && notices.show(t('say_silence_lifted'), { isUrgent: true }),
  hand_raised: ({ isSelf, before, name, notices }) => {
    if (isSelf || !isModerator(before.me)) return
    notices.say(name ? t('say_hand_raised', { name }) : t('hands_count', { count: (before.queue?.length ?? 0) + 1 })) // of a large room not everybody is known by name
  },
  hand_lowered: ({ isSelf, isByOther, event, before, notices }) => {
    if (isSelf && isByOther && event.data.by && before.me.hand) notices.show(t('say_hand_lowered'), { isUrgent: true })
  },
  stage_invitation_declined: ({ name, isSelf, notices }) => !isSelf && name && notices.show(t('toast_declined', { name })),
  visibility_changing: ({ event, notices }) => {
    const by = event.data.by as { name?: string } | undefined
    notices.say(t(event.data.to === 'open' ? 'opening_to_all' : 'opening_to_social', { name: by?.name ?? '' }))
  },
  attribution_asked: ({ event, isByOther, before, notices }) => {
    const by = before.participants.find((person) => person.account === event.data.by)
    if (isByOther) notices.say(t('attribution_asked', { name: by?.name ?? before.host.name, mode: t(`attribution_${event.data.to as Attribution}`) }))
  },
  attribution_changed: ({ event, notices }) => {
    const key = `attribution_${String(event.data.attribution ?? event.data.to)}` as 'attribution_on_record'
    notices.show(t('attribution_is', { mode: t(isKey(key) ? key : 'attribution_off_record') }), { isUrgent: true })
  },
  attribution_refused: ({ isByOther, notices }) => isByOther && notices.show(t('attribution_stays')),
  room_reset: ({ event, before, notices }) => {
    const hosts = (event.data.hosts as { name: string }[] | undefined) ?? []
    const text = t('reset_banner', { title: String(event.data.title || before.title || t('untitled_room', { name: before.host.name })), names: list(hosts.map((host) => host.name)) })
    notices.show(text, { forMilliseconds: 8000 })
  },
  timer_over: ({ isSelf, notices }) => {
    if (!isSelf) return
    chime()
    notices.show(t('timer_over'), { isUrgent: true })
  },
  timer_set: ({ isSelf, event, notices }) => isSelf && notices.say(t('say_timer', { count: Math.max(1, Math.round(Number(event.data.seconds) / 60)) })),
  poll_opened: ({ event, isByOther, notices }) => {
    if (isByOther && typeof event.data.question === 'string') notices.say(t('say_poll', { question: event.data.question }))
  },
  room_titled: ({ event, isByOther, notices }) => {
    if (isByOther && typeof event.data.title === 'string' && event.data.title) notices.show(t('toast_titled', { title: event.data.title }))
  },
}

/** Who reacted and how, for those who want to hear of it. */
export function mentionReactions(data: Record<string, unknown>, view: RoomView, notices: Notices): void {
  const { items, sums } = readReactions(data)
  for (const { account, reaction } of items.slice(-mostMentioned)) {
    const name = view.participants.find((person) => person.account === account)?.name
    if (name) notices.mention(`${name}: ${t(`reaction_${reaction}`)}`)
  }
  if (sums.length > 0) notices.mention(list(sums.map(([reaction, count]) => `${t(`reaction_${reaction}`)}: ${count}`)))
}

/** Who came and who went between two views, for those who want to hear of it. Many at once are only counted by the page. */
export function mentionComings(before: RoomView, after: RoomView, notices: Notices): void {
  const missing = (from: RoomView, to: RoomView) => {
    const known = new Set(to.participants.map((person) => person.account))
    return from.participants.filter((person) => !known.has(person.account)).map((person) => person.name)
  }
  const came = missing(after, before)
  const left = missing(before, after)
  if (came.length + left.length > mostMentioned) return
  if (came.length > 0) notices.mention(t('say_came', { names: list(came) }))
  if (left.length > 0) notices.mention(t('say_left', { names: list(left) }))
}
