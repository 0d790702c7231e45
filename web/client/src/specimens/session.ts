/** Rooms that nobody is in, for the page of components: the client's own classes over a server that answers from memory. */
import type { App } from '../app.svelte'
import { Client } from '../api/client'
import type { Participant, RoomView } from '../api/types'
import type { World } from '../fixtures/world'
import { RoomSession } from '../room/room-session.svelte'
import { RoomState } from '../room/room-state.svelte'
import { Voices } from '../room/voices'

/** Answers what the parts ask for; all else is done, without anything done. */
class MemoryClient extends Client {
  constructor(private readonly world: World) {
    super()
  }

  override send(method: string, path: string): Promise<Response> {
    const { messages, questions, polls, log, people } = this.world
    const answers: [RegExp, unknown][] = [
      [/\/(messages|backchannel)\?/, { messages, next: null }],
      [/\/questions$/, { questions }],
      [/\/polls$/, { polls }],
      [/\/log\?/, { entries: log, next: null }],
      [/\/invitable\?/, { people: people.slice(5, 11).map((person, at) => ({ person, in_room: at === 1, pinged: at === 2 })) }],
      [/\/suggested-speakers$/, { people: people.slice(8, 11).map((person) => ({ person, why: ['never_spoke'] })) }],
      [/\/speaker-links$/, { links: [] }],
    ]
    const found = method === 'GET' ? answers.find(([path_]) => path_.test(path)) : undefined
    return Promise.resolve(found ? Response.json(found[1]) : new Response(null, { status: 204 }))
  }
}

/** A voice that rises and falls, as number one. */
function voice(): RTCRtpReceiver {
  const sources = () => {
    const now = performance.now()
    return [{ source: 1, timestamp: now, rtpTimestamp: 0, audioLevel: 0.06 + 0.1 * Math.abs(Math.sin(now / 200)) }]
  }
  return { getContributingSources: sources, getSynchronizationSources: () => [] } as unknown as RTCRtpReceiver
}

/** A session that stands in the given view. What it says, it says in the real notices. */
export function sessionIn(app: App, world: World, view: RoomView): { session: RoomSession; room: RoomState } {
  const session = new RoomSession({
    client: new MemoryClient(world), room: view.id, self: view.me.participant, output: app.output, spare: null, notices: app.notices, device: () => null, sound: app.sound,
    over: () => {}, holdsSeat: () => Promise.resolve(false), watch: () => {},
  })
  const voices = new Voices({ receivers: () => [voice()], own: () => 0 })
  const room = new RoomState(view, { self: view.me.participant, fetch: () => Promise.resolve(view) })
  Object.assign(session, { voices, state: room, phase: 'in' })
  return { session, room }
}

/** The faces of a stage, each in another state. */
export function faces(world: World): Participant[] {
  const plain = world.room.participants.slice(0, 7)
  return plain.map((person, at) => {
    const { csrc, ...silent } = { ...person, muted: at === 1, silenced: at === 2, connected: at !== 3, airtime: [240, 90, 0, 20, 130, 60, 45][at] ?? 0 }
    return at === 0 && csrc !== undefined ? { ...silent, csrc: 1 } : silent
  })
}
