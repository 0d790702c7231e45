/** What is beside the voice in one room: the chat, the hosts' own channel, questions and polls. Fetched when somebody looks; counted when nobody does. */
import type { RoomCalls } from '../api/calls'
import type { LiveEvent, Message, Poll, Question } from '../api/types'

export type BesideTab = 'chat' | 'questions' | 'polls' | 'agenda' | 'backstage'

/** No more messages than this are kept; older ones can be fetched again. */
const mostKept = 500

/** Lists are fetched anew this long after a change, and a chance more, so that a large room does not ask all at once. */
const calm = 600

/** Messages in the order of time; those known already take the place of themselves. */
export function merged(before: readonly Message[], more: readonly Message[]): Message[] {
  const byId = new Map([...before, ...more].map((message) => [message.id, message]))
  return [...byId.values()].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))
}

/** The message that a fact tells of, or null if it does not say all of it. */
export function messageOf(event: LiveEvent): Message | null {
  const message = (event.data.message ?? event.data) as Partial<Message>
  const isWhole = typeof message.id === 'string' && typeof message.text === 'string' && typeof message.author?.name === 'string'
  return isWhole ? ({ ...message, seq: event.seq ?? 0, at: message.at ?? event.at ?? new Date().toISOString() } as Message) : null
}

/** One list of messages, a page at a time from the end. */
export class Channel {
  messages = $state.raw<Message[] | null>(null)
  hasMore = $state(false)
  unread = $state(0)
  isShown = false
  private next: string | null = null

  constructor(private readonly fetch: (before: string) => Promise<{ messages: Message[]; next: string | null }>) {}

  async load(): Promise<void> {
    const page = await this.fetch('')
    this.take(page)
  }

  async older(): Promise<void> {
    if (this.next) this.take(await this.fetch(this.next))
  }

  add(message: Message, isOwn: boolean): void {
    if (this.messages) this.keep(merged(this.messages, [message]))
    if (!this.isShown && !isOwn) this.unread++
  }

  remove(id: string): void {
    this.messages = this.messages?.filter((message) => message.id !== id) ?? null
  }

  /** Forgets the oldest of too many, so that a long conversation does not fill the memory. */
  private keep(messages: Message[]): void {
    this.messages = messages.length > mostKept * 1.2 ? messages.slice(-mostKept) : messages
    const oldest = this.messages[0]
    if (this.messages.length === messages.length || !oldest) return
    this.next = String(oldest.seq)
    this.hasMore = true
  }

  private take(page: { messages: Message[]; next: string | null }): void {
    this.messages = merged(this.messages ?? [], page.messages)
    this.next = page.next
    this.hasMore = page.next !== null
  }
}

export class Beside {
  tab = $state<BesideTab>('chat')
  isOpen = $state(false)
  questions = $state.raw<Question[] | null>(null)
  polls = $state.raw<Poll[] | null>(null)
  /** There is a question or a poll that the person has not looked at. */
  isNewQuestion = $state(false)
  isNewPoll = $state(false)
  readonly chat: Channel
  readonly backstage: Channel
  /** What waits to be seen, as one number for the button. */
  unread = $derived.by(() => this.chat.unread + this.backstage.unread + (this.isNewQuestion ? 1 : 0) + (this.isNewPoll ? 1 : 0))
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>()

  constructor(
    private readonly calls: RoomCalls,
    private readonly self: string,
  ) {
    this.chat = new Channel((before) => calls.messages(before))
    this.backstage = new Channel((before) => calls.backchannel(before))
  }

  event(event: LiveEvent): void {
    const isOwn = [event.data.by, event.data.account, (event.data.author as { id?: string } | undefined)?.id].includes(this.self)
    switch (event.kind) {
      case 'message':
      case 'backchannel_message':
        this.message(event)
        break
      case 'message_deleted':
        this.chat.remove(String(event.data.id))
        this.backstage.remove(String(event.data.id))
        break
      case 'question_asked':
        this.isNewQuestion ||= !isOwn && !this.shows('questions')
        this.soon('questions')
        break
      case 'question_voted':
        this.counted(event.data.votes)
        break
      case 'question_state':
        this.soon('questions')
        break
      case 'poll_opened':
        this.isNewPoll ||= !isOwn && !this.shows('polls')
        this.soon('polls')
        break
      case 'poll_result':
        this.polled(event.data)
        break
      case 'poll_closed':
        this.soon('polls')
        break
      case 'reset':
      case 'hello':
        if (event.kind === 'hello' && event.data.resumed === true) break
        for (const list of ['chat', 'questions', 'polls'] as const) this.soon(list)
    }
  }

  shows(tab: BesideTab): boolean {
    return this.isOpen && this.tab === tab
  }

  /** The person looks at a tab: what it holds is fetched if it is not there, and counts as seen. */
  async show(tab: BesideTab): Promise<void> {
    this.tab = tab
    this.isOpen = true
    this.chat.isShown = tab === 'chat'
    this.backstage.isShown = tab === 'backstage'
    if (tab === 'chat') this.chat.unread = 0
    if (tab === 'backstage') this.backstage.unread = 0
    if (tab === 'questions') this.isNewQuestion = false
    if (tab === 'polls') this.isNewPoll = false
    await this.fetch(tab, false)
  }

  hide(): void {
    this.isOpen = false
    this.chat.isShown = this.backstage.isShown = false
  }

  /** The person's own vote is shown at once; how many there are in all the server says soon. */
  voted(id: string, isFor: boolean): void {
    this.questions = this.questions?.map((one) => (one.id === id && one.voted !== isFor ? { ...one, voted: isFor, votes: one.votes + (isFor ? 1 : -1) } : one)) ?? null
  }

  async reloadQuestions(): Promise<void> {
    this.questions = await this.calls.questions()
  }

  async reloadPolls(): Promise<void> {
    this.polls = await this.calls.polls()
  }

  stop(): void {
    for (const timer of this.timers.values()) clearTimeout(timer)
    this.timers.clear()
  }

  /** How many votes some of the questions have now. */
  private counted(votes: unknown): void {
    if (typeof votes !== 'object' || votes === null) return
    const count = new Map(Object.entries(votes).filter((one): one is [string, number] => typeof one[1] === 'number'))
    this.questions = this.questions?.map((one) => ({ ...one, votes: count.get(one.id) ?? one.votes })) ?? null
  }

  /** How a poll stands now. */
  private polled({ id, options }: LiveEvent['data']): void {
    if (!Array.isArray(options)) return
    this.polls = this.polls?.map((one) => (one.id === id && one.options.length === options.length ? { ...one, options: options as Poll['options'] } : one)) ?? null
  }

  private message(event: LiveEvent): void {
    const channel = event.kind === 'backchannel_message' || event.data.backstage === true ? this.backstage : this.chat
    const message = messageOf(event)
    if (message) channel.add(message, message.author.id === this.self)
    else if (channel === this.chat) this.soon('chat')
  }

  /** Fetches a list that is shown, or was, when the rush is over. */
  private soon(list: 'chat' | 'questions' | 'polls'): void {
    if (this.timers.has(list)) return
    this.timers.set(list, setTimeout(() => {
      this.timers.delete(list)
      void this.fetch(list, true).catch(() => {})
    }, calm * (1 + Math.random())))
  }

  private async fetch(tab: BesideTab, isChanged: boolean): Promise<void> {
    if (tab === 'chat' && (isChanged ? this.chat.messages : !this.chat.messages)) await this.chat.load()
    if (tab === 'backstage' && !this.backstage.messages) await this.backstage.load()
    if (tab === 'questions' && (!isChanged || this.questions)) await this.reloadQuestions()
    if (tab === 'polls' && (!isChanged || this.polls)) await this.reloadPolls()
  }
}
