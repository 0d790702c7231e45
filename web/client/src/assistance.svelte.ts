/** What a person who reads by ear, or presses keys otherwise than by hand, wants on this device. Kept in the browser, never sent anywhere. */

const stored = 'besedka.assistance'

export class Assistance {
  /** Screen readers say who comes and goes, and who claps. */
  isTalkative = $state(false)
  /** M, H, W, L and Space act in a room. */
  hasKeys = $state(true)

  constructor() {
    const kept = read()
    this.isTalkative = kept.isTalkative === true
    this.hasKeys = kept.hasKeys !== false
  }

  save(): void {
    localStorage.setItem(stored, JSON.stringify({ isTalkative: this.isTalkative, hasKeys: this.hasKeys }))
  }
}

/** The settings of this device. */
export const assistance = new Assistance()

function read(): { isTalkative?: unknown; hasKeys?: unknown } {
  try {
    return (JSON.parse(globalThis.localStorage?.getItem(stored) ?? '{}') ?? {}) as { isTalkative?: unknown; hasKeys?: unknown }
  } catch {
    return {}
  }
}
