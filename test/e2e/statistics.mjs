// The statistics of a page's sessions over time.

/** What is kept of a stream that comes in. */
const names = ['packetsReceived', 'packetsLost', 'packetsDiscarded', 'concealmentEvents', 'concealedSamples', 'silentConcealedSamples', 'totalSamplesReceived',
  'insertedSamplesForDeceleration', 'removedSamplesForAcceleration', 'jitterBufferDelay', 'jitterBufferTargetDelay', 'jitterBufferEmittedCount'];

/** Keeps, from now on and four times a second, what each connected session of the page has received in its busiest slot. */
export async function keepStatistics(page) {
  await page.evaluate((names) => {
    window.kept = {};
    const look = async () => {
      for (const connection of window.heard.connections) {
        if (connection.connectionState !== 'connected') continue;
        let best;
        (await connection.getStats()).forEach((s) => {
          if (s.type === 'inbound-rtp' && s.packetsReceived > (best?.packetsReceived ?? 0)) best = s;
        });
        if (!best) continue;
        const list = (window.kept[connection.name ?? ''] ??= []);
        list.push(Object.fromEntries(['timestamp', 'ssrc', ...names].map((name) => [name, best[name] ?? 0])));
      }
      setTimeout(look, 250);
    };
    void look();
  }, names);
}

/** What has been kept of the page's own session, or of one with a name. */
export async function statistics(page, name = '') {
  return page.evaluate((name) => window.kept[name] ?? [], name);
}

/**
 * Begins to note how much sound is in the packets that each connected session of the page plays: how far the timestamps of two
 * that follow one another lie apart. One that is missed doubles that, so of half a second the shortest counts in which a quarter of the sound came.
 */
export async function keepLengths(page) {
  await page.evaluate(() => {
    window.lengths = {};
    const last = new Map();
    const found = new Map();
    setInterval(() => {
      for (const connection of window.heard.connections) {
        if (connection.connectionState !== 'connected') continue;
        for (const receiver of connection.getReceivers()) {
          const timestamp = receiver.getSynchronizationSources()[0]?.rtpTimestamp;
          if (timestamp === undefined) continue;
          const length = ((timestamp - last.get(receiver)) >>> 0) / 48;
          last.set(receiver, timestamp);
          if (length > 0 && length <= 120) found.set(connection.name ?? '', [...(found.get(connection.name ?? '') ?? []), length]);
        }
      }
    }, 10);
    setInterval(() => {
      for (const [name, all] of found) {
        const sum = (some) => some.reduce((sum, length) => sum + length, 0);
        const often = all.filter((length) => 4 * sum(all.filter((other) => other === length)) >= sum(all));
        const kept = (window.lengths[name] ??= []);
        if (all.length > 2 && often.length && Math.min(...often) !== kept.at(-1)) kept.push(Math.min(...often));
      }
      found.clear();
    }, 500);
  });
}

/** The lengths in milliseconds that have followed one another so far in the page's own session, or in one with a name. */
export async function lengths(page, name = '') {
  return page.evaluate((name) => window.lengths[name] ?? [], name);
}

/** How much came of everything from the first look to the last. Receivers that were made anew count from nothing. */
export function grown(kept) {
  const sum = Object.fromEntries(names.map((name) => [name, 0]));
  for (const [i, to] of kept.slice(1).entries()) {
    const isNew = to.packetsReceived < kept[i].packetsReceived || to.totalSamplesReceived < kept[i].totalSamplesReceived;
    for (const name of names) sum[name] += isNew ? to[name] : to[name] - kept[i][name];
  }
  return sum;
}

/** Mean time in the jitter buffer, in milliseconds. */
export const buffered = (d) => (d.jitterBufferEmittedCount > 0 ? Math.round((1000 * d.jitterBufferDelay) / d.jitterBufferEmittedCount) : 0);

/** When something was concealed: the times, and how many samples. */
export function concealments(kept) {
  return kept.slice(1).map((to, i) => ({ at: to.timestamp, samples: to.concealedSamples - kept[i].concealedSamples })).filter(({ samples }) => samples > 0);
}

/** Those of the concealments that have none of the others within a second. */
export function alone(some, others) {
  return some.filter(({ at }) => !others.some((other) => Math.abs(other.at - at) <= 1000));
}
