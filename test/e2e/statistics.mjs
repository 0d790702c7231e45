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

/** How much more there is of everything. */
export function difference(from, to) {
  return Object.fromEntries(names.map((name) => [name, to[name] - from[name]]));
}

/** When something was concealed: the times, and how many samples. */
export function concealments(kept) {
  return kept.slice(1).map((to, i) => ({ at: to.timestamp, samples: to.concealedSamples - kept[i].concealedSamples })).filter(({ samples }) => samples > 0);
}

/** Those of the concealments that have none of the others within a second. */
export function alone(some, others) {
  return some.filter(({ at }) => !others.some((other) => Math.abs(other.at - at) <= 1000));
}
