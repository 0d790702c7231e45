/**
 * Keeps the focus near where the person was. What has the focus may go away by what it does (a hand that was dismissed, a sheet that was closed) or by what
 * others do; browsers then leave the focus nowhere, and whoever reads by ear stands at the top of the page. Here it goes to the nearest thing that is left.
 */

/** Where the focus was, remembered so that its neighbours can be found when it is gone. */
interface Place {
  element: HTMLElement
  layer: HTMLDialogElement | null
  /** The same person's face elsewhere is the same place. */
  account: string | null
  list: Element | null
  row: number
  column: number
  ancestors: Element[]
}

const focusable = 'a[href], button:not(:disabled), input:not(:disabled), select:not(:disabled), textarea:not(:disabled), summary, [tabindex="0"]'
const sections = 'section, aside, article, form, dialog'

/** What of that can take the focus and is seen. */
function stops(within: Element): HTMLElement[] {
  return [...within.querySelectorAll<HTMLElement>(focusable)].filter((one) => one.getClientRects().length > 0)
}

function placeOf(element: HTMLElement): Place {
  const item = element.closest('li')
  const list = item?.parentElement ?? null
  const ancestors: Element[] = []
  for (let one = element.parentElement; one; one = one.parentElement) ancestors.push(one)
  return {
    element,
    layer: element.closest('dialog'),
    account: element.dataset.account ?? null,
    list,
    row: item && list ? [...list.children].indexOf(item) : -1,
    column: item ? Math.max(0, stops(item).indexOf(element)) : 0,
    ancestors,
  }
}

/** What stands nearest to a place that is gone; in a section that says what comes next, by data-next, it is that. */
function nearest(place: Place): HTMLElement | null {
  const same = place.account === null ? null : document.querySelector<HTMLElement>(`main [data-account="${CSS.escape(place.account)}"]`)
  if (same) return same
  if (place.list?.isConnected) {
    const rows = [...place.list.children].map(stops).filter((row) => row.length > 0)
    const row = rows[Math.min(place.row, rows.length - 1)]
    if (row) return row[Math.min(place.column, row.length - 1)] ?? null
  }
  for (const one of place.ancestors) {
    if (!one.isConnected || one.tagName === 'MAIN') continue
    const next = one.querySelector<HTMLElement>('[data-next]')
    if (next && one.matches(sections)) return next
    if (one instanceof HTMLElement && one.hasAttribute('tabindex')) return one
    const heading = one.matches(sections) ? one.querySelector<HTMLElement>('h2, h3') : null
    if (heading) return heading
  }
  return document.querySelector('main h1')
}

function give(target: HTMLElement): void {
  if (!target.matches(focusable) && !target.hasAttribute('tabindex')) target.tabIndex = -1
  target.focus({ preventScroll: target.tagName === 'H1' })
}

export interface FocusKeeper {
  /** The page is another now: it is read from its heading on, as soon as that is there. */
  arrive(): void
  stop(): void
}

export function keepFocus(): FocusKeeper {
  /** The last place in each layer: the page, and each sheet over it. */
  let places: Place[] = []
  let isArriving = false

  function took(event: FocusEvent) {
    if (!(event.target instanceof HTMLElement) || event.target === document.body) return
    const place = placeOf(event.target)
    places = [...places.filter((one) => one.layer !== place.layer && (one.layer === null || one.layer.isConnected)), place]
    if (place.layer === null) isArriving = false
  }

  function check(isSheetGone: boolean) {
    const active = document.activeElement
    if (active && active !== document.body && !isArriving) return
    const sheet = [...document.querySelectorAll<HTMLDialogElement>('dialog[open]')].at(-1) ?? null
    if (isArriving && !sheet) {
      const start = document.querySelector<HTMLElement>('main [data-arrival]') ?? document.querySelector<HTMLElement>('main h1')
      if (start) give(start)
      return
    }
    const place = places.findLast((one) => one.layer === sheet)
    if (!place) return
    const isGone = !place.element.isConnected || place.element.matches(':disabled')
    if (!isGone && !isSheetGone) return // they pressed beside everything
    const target = isGone ? nearest(place) : place.element
    if (target) give(target)
  }

  const isSheet = (node: Node) => node instanceof Element && (node instanceof HTMLDialogElement || node.querySelector('dialog') !== null)
  const observer = new MutationObserver((changes) => check(changes.some((change) => [...change.removedNodes].some(isSheet))))
  document.addEventListener('focusin', took)
  observer.observe(document.body, { childList: true, subtree: true, attributeFilter: ['disabled'] })

  return {
    arrive() {
      isArriving = true
      check(false)
    },
    stop() {
      document.removeEventListener('focusin', took)
      observer.disconnect()
    },
  }
}
