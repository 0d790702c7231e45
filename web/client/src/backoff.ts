const shortest = 300
const longest = 7000

/**
 * How long to wait before the next try, in milliseconds: doubles from 0.3 s to 7 s, with half of it left to chance,
 * so that clients which lost the same server do not come back in the same moment.
 */
export function backoff(attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(longest, shortest * 2 ** (attempt + 1))
  return Math.max(shortest, ceiling * (0.5 + random() / 2))
}
