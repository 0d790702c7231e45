/** How a person looks: the photo, or initials on a colour of their own. */

export const tones = 12

/** Up to two letters: of the first and the last word of the name. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean)
  const letters = (words.length > 1 ? [words[0], words.at(-1)] : words).map((word) => firstLetter(word ?? ''))
  return letters.join('').toLocaleUpperCase()
}

function firstLetter(word: string): string {
  const segmenter = 'Segmenter' in Intl ? new Intl.Segmenter() : null
  const first = segmenter ? [...segmenter.segment(word)][0]?.segment : [...word][0]
  return first ?? ''
}

/** A colour that stays with the person: one of twelve, chosen by the id (FNV-1a). */
export function toneOf(id: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193)
  return (hash >>> 0) % tones
}

/** Where a photo's picture is: small is 128 pixels wide, large 512. It never changes. A path of this site is a picture that came with the client. */
export function photoURL(photo: string, size: 'small' | 'large'): string {
  if (photo.startsWith('/')) return photo
  return `/api/v1/photos/${encodeURIComponent(photo)}/${size}`
}
