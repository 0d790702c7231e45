/** The rules of a new account that can be checked while typing. The server checks them again, and more. */

export const shortestPassphrase = 15
export const longestPassphrase = 256

export function isUsername(text: string): boolean {
  return /^[a-z0-9_]{3,16}$/.test(text)
}

/** Counts as the server does: characters, not bytes or halves of emoji. */
export function lengthOf(text: string): number {
  return [...text].length
}

export type PassphraseVerdict = { is: 'empty' } | { is: 'short'; missing: number } | { is: 'has_username' } | { is: 'good' }

export function judgePassphrase(passphrase: string, username: string): PassphraseVerdict {
  const length = lengthOf(passphrase)
  if (length === 0) return { is: 'empty' }
  if (length < shortestPassphrase) return { is: 'short', missing: shortestPassphrase - length }
  if (username.length >= 3 && passphrase.toLowerCase().includes(username)) return { is: 'has_username' }
  return { is: 'good' }
}

/** A username made of what was typed: small letters, no @ in front, no spaces around. */
export function tidyUsername(text: string): string {
  return text.trim().replace(/^@/, '').toLowerCase()
}
