/** Copies to the clipboard; false if the browser does not let us. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return false
  }
}

export function canShare(): boolean {
  return typeof navigator.share === 'function'
}

/** Opens the sharing of the system. Closing it without sharing is not an error. */
export async function shareText(text: string): Promise<void> {
  await navigator.share({ text }).catch(() => {})
}
