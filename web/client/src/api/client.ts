/** What the server answered when it refused: a stable code for programs. Words for people are chosen in i18n/problem.ts. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly field: string | null = null,
    readonly retryAfterSeconds: number | null = null,
    /** The server's words, in the language that was asked for. */
    readonly detail = '',
  ) {
    super(code)
    this.name = 'Problem'
  }
}

/** The request did not reach the server, or no answer came back. */
export const offline = 'offline'

export const base = '/api/v1'

export interface RequestOptions {
  body?: unknown
  sdp?: string
  blob?: Blob
  headers?: Record<string, string>
  signal?: AbortSignal
}

/** Sends requests as one caller: a member by the session cookie, or a guest by token. */
export class Client {
  constructor(readonly token: string | null = null) {}

  headers(): Record<string, string> {
    const language = globalThis.document?.documentElement.lang
    return { ...(language ? { 'Accept-Language': language } : {}), ...(this.token ? { Authorization: `Bearer ${this.token}` } : {}) }
  }

  /** Sends and returns the raw answer if its status is 2xx; throws a Problem otherwise. */
  async send(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
    const headers: Record<string, string> = { ...this.headers(), ...options.headers }
    let body: string | Blob | undefined = options.sdp ?? options.blob
    if (options.body !== undefined) {
      body = JSON.stringify(options.body)
      headers['Content-Type'] = 'application/json'
    }
    const answer = await fetch(base + path, {
      method,
      headers,
      credentials: 'same-origin',
      cache: 'no-store',
      keepalive: method === 'DELETE', // what is given up, is also when the page is closed behind it
      ...(body === undefined ? {} : { body }),
      ...(options.signal ? { signal: options.signal } : {}),
    }).catch((cause: unknown) => {
      if (options.signal?.aborted) throw cause
      throw new Problem(0, offline)
    })
    if (!answer.ok) throw await problemOf(answer)
    return answer
  }

  /** Sends and decodes the JSON answer; nothing for 204. */
  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.send(method, path, body === undefined ? {} : { body })
    return (answer.status === 204 ? undefined : await answer.json()) as T
  }
}

async function problemOf(answer: Response): Promise<Problem> {
  const retryAfter = Number(answer.headers.get('Retry-After'))
  const about = (await answer.json().catch(() => ({}))) as { code?: unknown; field?: unknown; detail?: unknown }
  return new Problem(
    answer.status,
    typeof about.code === 'string' ? about.code : `http_${answer.status}`,
    typeof about.field === 'string' ? about.field : null,
    retryAfter > 0 ? retryAfter : null,
    typeof about.detail === 'string' ? about.detail : '',
  )
}

/** Tells whether the server refused with this code. */
export function refusedWith(error: unknown, ...codes: string[]): boolean {
  return error instanceof Problem && codes.includes(error.code)
}
