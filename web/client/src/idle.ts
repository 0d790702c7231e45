/** Does something when the browser has nothing else to do. Safari does not tell when that is. */
export function whenIdle(act: () => void): void {
  if ('requestIdleCallback' in globalThis) requestIdleCallback(act, { timeout: 3000 })
  else setTimeout(act, 500)
}
