/** Pages by address. The room that plays is not one of them: it lives beside the router. */

export type Route =
  | { page: 'hallway' }
  | { page: 'sign-in' }
  | { page: 'join'; code: string }
  | { page: 'room'; room: string }
  | { page: 'profile'; username: string }
  | { page: 'invitations' }
  | { page: 'settings' }
  | { page: 'connection' }
  | { page: 'components' }
  | { page: 'listen'; room: string }
  | { page: 'speak'; room: string }
  | { page: 'nothing' }

/** Reads an address. Unknown ones are `nothing`. */
export function routeOf(path: string): Route {
  const parts = path.split('/').filter(Boolean).map(decode)
  const [first, second] = parts
  if (parts.length === 0) return { page: 'hallway' }
  if (parts.length === 2 && second) {
    if (first === 'join') return { page: 'join', code: second }
    if (first === 'rooms') return { page: 'room', room: second }
    if (first === 'listen') return { page: 'listen', room: second }
    if (first === 'speak') return { page: 'speak', room: second }
  }
  if (parts.length === 1 && first) {
    if (first.startsWith('@') && first.length > 1) return { page: 'profile', username: first.slice(1) }
    if (first === 'sign-in' || first === 'invitations' || first === 'settings' || first === 'connection' || first === 'components') return { page: first }
  }
  return { page: 'nothing' }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

export class Router {
  private path = $state(location.pathname)
  /** The person has moved within the program since it was loaded: the page shown is where they meant to go by a tap. */
  hasMoved = false
  route = $derived(routeOf(this.path))

  constructor() {
    addEventListener('popstate', () => {
      this.hasMoved = true
      this.path = location.pathname
    })
    document.addEventListener('click', (event) => this.follow(event))
  }

  go(path: string): void {
    if (path === location.pathname) return
    this.hasMoved = true
    history.pushState({ inside: true }, '', path)
    this.path = location.pathname
    scrollTo(0, 0)
  }

  /** As go, but the page left behind cannot be come back to. */
  replace(path: string): void {
    history.replaceState(history.state, '', path)
    this.path = location.pathname
  }

  /** Back to where the person came from, or to the given page if they came from outside. */
  back(otherwise: string): void {
    if ((history.state as { inside?: boolean } | null)?.inside) history.back()
    else this.go(otherwise)
  }

  /** Plain clicks on links of our own change the page without loading it anew. */
  private follow(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    const link = event.target instanceof Element ? event.target.closest('a') : null
    if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return
    if (link.hash && link.pathname === location.pathname) return
    event.preventDefault()
    this.go(link.pathname)
  }
}
