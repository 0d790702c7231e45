// How long sound takes from the microphone of one page to what another one plays, without the sound cards: both are on one
// machine, so their clocks agree. Chromium only (MediaStreamTrackProcessor).

/** A moment of what is compared, in milliseconds. */
const moment = 10;
/** So long a piece is found in what was said, and no later than that, in milliseconds. */
const piece = 4000;
const latest = 2000;
/** How like what was said it must be, 0…1. */
const like = 0.6;

/** Begins to note how loud it is in the tracks that the page sends (`mouth`) or plays (`ear`). */
async function begin(page, which) {
  await page.evaluate(({ which, moment }) => {
    const connections = window.heard.connections.filter((c) => c.connectionState === 'connected' && !c.name);
    const ends = connections.flatMap((c) => (which === 'mouth' ? c.getSenders() : c.getReceivers()));
    const kept = { energy: new Map(), readers: [] };
    window[which] = kept;
    for (const { track } of ends) {
      if (track?.readyState !== 'live') continue;
      const reader = new MediaStreamTrackProcessor({ track: track.clone(), maxBufferSize: 500 }).readable.getReader();
      kept.readers.push(reader);
      void (async () => {
        for (;;) {
          const { done, value } = await reader.read();
          if (done) return;
          const at = Math.floor(Date.now() / moment);
          const plane = new Float32Array(value.numberOfFrames);
          value.copyTo(plane, { planeIndex: 0, format: 'f32-planar' });
          value.close();
          kept.energy.set(at, (kept.energy.get(at) ?? 0) + plane.reduce((sum, v) => sum + v * v, 0));
        }
      })();
    }
  }, { which, moment });
}

/** Ends that and gives how loud it was, by moments since 1970. */
async function end(page, which) {
  const energy = await page.evaluate(async (which) => {
    const { energy, readers } = window[which];
    for (const reader of readers) await reader.cancel();
    return [...energy];
  }, which);
  const loud = new Map();
  for (const [at, sum] of energy) {
    for (const near of [at - 1, at, at + 1]) loud.set(near, (loud.get(near) ?? 0) + sum); // pages are given it unevenly
  }
  for (const [at, sum] of loud) loud.set(at, Math.sqrt(sum));
  return loud;
}

/** The correlation of `length` moments of the one with those of the other, −1…1. */
function correlation(one, from, other, otherFrom, length) {
  const sums = { x: 0, y: 0, xx: 0, yy: 0, xy: 0 };
  for (let i = 0; i < length; i++) {
    const x = one.get(from + i) ?? 0;
    const y = other.get(otherFrom + i) ?? 0;
    sums.x += x;
    sums.y += y;
    sums.xx += x * x;
    sums.yy += y * y;
    sums.xy += x * y;
  }
  const spread = (square, sum) => length * square - sum * sum;
  return (length * sums.xy - sums.x * sums.y) / Math.sqrt(spread(sums.xx, sums.x) * spread(sums.yy, sums.y) || 1);
}

/** How late the one hears what the other says, in milliseconds: the median over pieces; undefined if none is found again. */
function lag(mouth, ear) {
  const length = piece / moment;
  const moments = [...ear.keys()].sort((a, b) => a - b);
  const lags = [];
  for (let from = Math.min(...mouth.keys()) + latest / moment; from + length <= moments.at(-1); from += length / 4) {
    let best = { like };
    for (let late = 0; late <= latest / moment; late++) {
      const found = correlation(mouth, from - late, ear, from, length);
      if (found > best.like) best = { like: found, late };
    }
    if (best.late !== undefined) lags.push(best.late * moment);
  }
  return lags.sort((a, b) => a - b)[lags.length >> 1];
}

/** How late what the one page's microphone hears is played in the other page, in milliseconds; watched for so many seconds, 8 and more. */
export async function mouthToEar(mouth, ear, seconds) {
  const isPossible = await ear.evaluate(() => 'MediaStreamTrackProcessor' in window);
  if (isPossible) await begin(mouth, 'mouth');
  if (isPossible) await begin(ear, 'ear');
  await new Promise((done) => setTimeout(done, 1000 * seconds));
  if (!isPossible) return undefined;
  return lag(await end(mouth, 'mouth'), await end(ear, 'ear'));
}
