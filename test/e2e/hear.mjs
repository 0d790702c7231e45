// What a listener's browser really plays: recorded from the decoded tracks, compared with the source.

/** Runs in every page before its scripts: keeps the peer connections so that the test can listen. */
export function keepConnections() {
  const Native = window.RTCPeerConnection;
  window.heard = { connections: [] };
  window.RTCPeerConnection = class extends Native {
    constructor(...args) {
      super(...args);
      window.heard.connections.push(this);
    }
  };
}

/** Records `seconds` of everything the page's live connections receive, mixed, at 48 kHz. */
export async function record(page, seconds) {
  const packed = await page.evaluate(async (seconds) => {
    const context = new AudioContext({ sampleRate: 48000 });
    await context.resume();
    const tap = context.createScriptProcessor(4096, 1, 1);
    const blocks = [];
    tap.onaudioprocess = (e) => blocks.push(new Float32Array(e.inputBuffer.getChannelData(0)));
    for (const connection of window.heard.connections) {
      if (connection.connectionState !== 'connected') continue;
      for (const receiver of connection.getReceivers()) {
        if (receiver.track?.readyState === 'live') {
          context.createMediaStreamSource(new MediaStream([receiver.track])).connect(tap);
        }
      }
    }
    const silent = context.createGain();
    silent.gain.value = 0;
    tap.connect(silent).connect(context.destination);
    const wanted = Math.ceil((seconds * 48000) / 4096);
    while (blocks.length < wanted) await new Promise((done) => setTimeout(done, 50));
    await context.close();
    const all = new Int16Array(blocks.length * 4096);
    blocks.forEach((block, i) => block.forEach((v, k) => (all[i * 4096 + k] = Math.max(-1, Math.min(1, v)) * 32767)));
    let text = '';
    const bytes = new Uint8Array(all.buffer);
    for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
    return btoa(text);
  }, seconds);
  const bytes = Buffer.from(packed, 'base64');
  const samples = new Float32Array(bytes.length / 2);
  for (let i = 0; i < samples.length; i++) samples[i] = bytes.readInt16LE(2 * i) / 32768;
  return samples;
}

/** Root mean square of each 20 ms. */
export function envelope(samples, rate = 48000) {
  const step = rate / 50;
  const out = new Float64Array(Math.floor(samples.length / step));
  for (let i = 0; i < out.length; i++) {
    let sum = 0;
    for (let k = 0; k < step; k++) sum += samples[i * step + k] ** 2;
    out[i] = Math.sqrt(sum / step);
  }
  return out;
}

/** How like the looping source the heard envelope is: the best normalised correlation over all lags, 0…1. */
export function likeness(heard, source) {
  const mean = (x) => x.reduce((a, b) => a + b, 0) / x.length;
  const mh = mean(heard);
  const ms = mean(source);
  let best = 0;
  for (let lag = 0; lag < source.length; lag++) {
    let dot = 0;
    let hh = 0;
    let ss = 0;
    for (let i = 0; i < heard.length; i++) {
      const h = heard[i] - mh;
      const s = source[(i + lag) % source.length] - ms;
      dot += h * s;
      hh += h * h;
      ss += s * s;
    }
    best = Math.max(best, dot / Math.sqrt(hh * ss || 1));
  }
  return best;
}

/** Share of 20 ms windows with sound in them. */
export function voiced(env, threshold = 0.004) {
  return env.filter((v) => v > threshold).length / env.length;
}

/** RTP packets that the page's connections have received and how much was concealed. */
export async function inbound(page) {
  return page.evaluate(async () => {
    const sum = { packets: 0, concealed: 0, samples: 0 };
    for (const connection of window.heard.connections) {
      if (connection.connectionState === 'closed') continue;
      (await connection.getStats()).forEach((s) => {
        if (s.type !== 'inbound-rtp') return;
        sum.packets += s.packetsReceived;
        sum.concealed += s.concealedSamples ?? 0;
        sum.samples += s.totalSamplesReceived ?? 0;
      });
    }
    return sum;
  });
}
