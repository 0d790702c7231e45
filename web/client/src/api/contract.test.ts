/** The hand-written types and calls agree with docs/openapi.json: no field and no path is used that the server does not promise. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

interface Schema {
  properties?: Record<string, unknown>
}
interface OpenAPI {
  paths: Record<string, Record<string, unknown>>
  components: { schemas: Record<string, Schema> }
}

const here = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8')
const openapi = JSON.parse(here('../../../../docs/openapi.json')) as OpenAPI

const schemas: Record<string, string> = {
  Person: 'Person', Me: 'Me', Instance: 'Instance', Profile: 'Profile', Invitation: 'Invitation', NewInvitation: 'NewInvitation', InvitationPreview: 'Preview', Session: 'Session',
  CardFace: 'Face', Card: 'RoomCard', Participant: 'Participant', Hand: 'QueuedHand', Removal: 'RecentRemoval', OwnState: 'RoomMe', Shared: 'Shared', OwnShare: 'OwnShare', RoomView: 'RoomView', NewRoom: 'OpenInputBody',
}

/** The fields that the interfaces of types.ts write themselves, by interface. */
function interfaces(): Record<string, string[]> {
  const found: Record<string, string[]> = {}
  for (const [, name, body] of here('types.ts').matchAll(/export interface (\w+)[^{]*\{\n(.*?)\n\}/gs)) {
    found[name ?? ''] = [...(body ?? '').matchAll(/^ {2}(\w+)\??:/gm)].map((field) => field[1] ?? '')
  }
  return found
}

/** Method and path of every call, as the document writes them: {} for each part that varies. */
function calls(): [string, string][] {
  const source = here('calls.ts').replaceAll('`${at}', '`/rooms/{}').replace(/'(DELETE|GET|PATCH)', at\b/g, "'$1', `/rooms/{}`")
  return [...source.matchAll(/'(GET|POST|PUT|PATCH|DELETE)', [`']([^`'?]+)/g)].map(([, method, path]) => [method?.toLowerCase() ?? '', `/api/v1${path?.replace(/\$\{part\(\w+\)\}/g, '{}')}`])
}

describe('types', () => {
  it.each(Object.entries(interfaces()).filter(([name]) => schemas[name]))('%s has only fields of the document', (name, fields) => {
    const known = Object.keys(openapi.components.schemas[schemas[name] ?? '']?.properties ?? {})
    expect(known).toEqual(expect.arrayContaining(fields))
  })
  it('cover every schema named here', () => expect(Object.keys(interfaces())).toEqual(expect.arrayContaining(Object.keys(schemas))))
})

describe('calls', () => {
  const known = new Set(Object.entries(openapi.paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method} ${path.replace(/\{\w+\}/g, '{}')}`)))
  it('are found in the source', () => expect(calls().length).toBeGreaterThan(40))
  it.each(calls())('%s %s is in the document', (method, path) => expect(known).toContain(`${method} ${path}`))
})
