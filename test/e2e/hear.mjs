// What a listener's browser really plays: recorded from the decoded tracks, compared with the source.
import assert from 'node:assert/strict';
import { readWav } from './hosts.mjs';

/** Runs in every page and its frames before their scripts: keeps the peer connections and audio elements in the page so that the test can listen. */
export function keepConnections() {
  const Native = window.RTCPeerConnection;
  const NativeAudio = window.Audio;
  const heard = (window.top.heard ??= { connections: [], elements: [] });
  window.Audio = class extends NativeAudio {
    constructor(...args) {
      super(...args);
      heard.elements.push(this);
    }
  };
  window.RTCPeerConnection = class extends Native {
    constructor(...args) {
      super(...args);
      heard.connections.push(this);
    }
  };
}

/** Records `seconds` of everything the page's live connections receive and its elements play from files, mixed, as mono samples at 48 kHz. */
async function record(page, seconds) {
  const packed = await page.evaluate(async (seconds) => {
    const context = new AudioContext({ sampleRate: 48000 });
    await context.resume();
    const mix = context.createMediaStreamDestination();
    for (const connection of window.heard.connections) {
      if (connection.connectionState !== 'connected') continue;
      for (const receiver of connection.getReceivers()) {
        if (receiver.track?.readyState === 'live') {
          context.createMediaStreamSource(new MediaStream([receiver.track])).connect(mix);
        }
      }
    }
    for (const element of window.heard.elements) {
      if (element.src && !element.paused) context.createMediaStreamSource(element.captureStream()).connect(mix);
    }
    const recorder = new MediaRecorder(mix.stream, { mimeType: 'audio/webm;codecs=opus', audioBitsPerSecond: 128000 });
    const parts = [];
    recorder.ondataavailable = (e) => parts.push(e.data);
    const stopped = new Promise((done) => (recorder.onstop = done));
    recorder.start();
    await new Promise((done) => setTimeout(done, seconds * 1000));
    recorder.stop();
    await stopped;
    const sound = await context.decodeAudioData(await new Blob(parts).arrayBuffer());
    await context.close();
    const samples = sound.getChannelData(0);
    const small = Int16Array.from(samples, (v) => Math.max(-1, Math.min(1, v)) * 32767);
    let text = '';
    const bytes = new Uint8Array(small.buffer);
    for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
    return btoa(text);
  }, seconds);
  const bytes = Buffer.from(packed, 'base64');
  const samples = new Float32Array(bytes.length >> 1);
  for (let i = 0; i < samples.length; i++) samples[i] = bytes.readInt16LE(2 * i) / 32768;
  return samples;
}

/** Root mean square of each 20 ms. */
function envelope(samples, rate = 48000) {
  const step = rate / 50;
  const out = new Float64Array(Math.floor(samples.length / step));
  for (let i = 0; i < out.length; i++) {
    let sum = 0;
    for (let k = 0; k < step; k++) sum += samples[i * step + k] ** 2;
    out[i] = Math.sqrt(sum / step);
  }
  return out;
}

/** The best normalised correlation of two envelopes over all lags of the looping source, 0…1. */
function correlation(heard, source) {
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

/**
 * How like the looping source the heard envelope is, 0…1: the median over pieces of 2.5 s,
 * each at its own lag, because a jitter buffer may stretch time a little between them.
 */
function likeness(heard, source) {
  const piece = 125;
  const likes = [];
  for (let i = 0; i + piece <= heard.length; i += 25) likes.push(correlation(heard.subarray(i, i + piece), source));
  return likes.sort((a, b) => a - b)[likes.length >> 1] ?? 0;
}

/** Share of 20 ms windows with sound in them. */
function voiced(env, threshold = 0.004) {
  return env.filter((v) => v > threshold).length / env.length;
}

/**
 * What that person hears is the speech in the file: long enough, loud enough, and that one rather than the other.
 * At first a jitter buffer may still be stretching time, so it may take more than one hearing.
 */
export async function hears(person, file, other, seconds = 8) {
  const source = envelope(readWav(file).samples);
  const another = envelope(readWav(other).samples);
  let heard, sound, like, unlike;
  for (let listen = 0; listen < 4 && !(like > 0.75 && like > unlike + 0.1); listen++) {
    heard = await record(person.page, seconds);
    sound = envelope(heard);
    [like, unlike] = [likeness(sound, source), likeness(sound, another)];
  }
  const energy = Math.hypot(...sound) / Math.sqrt(sound.length);
  console.log(`# ${person.name} hears: energy ${energy.toFixed(4)}, voiced ${voiced(sound).toFixed(2)} of ${voiced(source).toFixed(2)}, likeness ${like.toFixed(3)}, to another speech ${unlike.toFixed(3)}`);
  assert.ok(heard.length > (seconds - 1) * 48000, `recorded ${heard.length} samples`);
  assert.ok(energy > 0.01, `too quiet: ${energy}`);
  assert.ok(voiced(sound) > 0.6 * voiced(source), `sound in only ${voiced(sound)} of the time`);
  assert.ok(like > 0.75 && like > unlike + 0.1, `not what was said: ${like}, and ${unlike} another speech`);
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

/**
 * Opens another listening session in the page, which asks for packets of that many milliseconds at most. It goes another way
 * if the port at which the server says its media is, `from`, is to be another one, `to`.
 */
export async function listenBeside(page, milliseconds, { from = '', to = '' } = {}) {
  await page.evaluate(async ({ milliseconds, from, to }) => {
    const endpoint = performance.getEntriesByType('resource').find((r) => r.name.endsWith('/whep')).name;
    const connection = new RTCPeerConnection();
    connection.name = 'beside';
    connection.ontrack = ({ track, receiver }) => {
      receiver.jitterBufferTarget = window.heard.connections[0].getReceivers()[0].jitterBufferTarget; // as the page's own
      window.heard.beside = Object.assign(new Audio(), { srcObject: new MediaStream([track]), muted: true });
      window.heard.beside.play();
    };
    connection.addTransceiver('audio', { direction: 'recvonly' });
    await connection.setLocalDescription();
    const body = `${connection.localDescription.sdp}a=maxptime:${milliseconds}\r\n`;
    const answer = await fetch(endpoint, { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body });
    const sdp = (await answer.text()).replaceAll(` ${from} typ host`, ` ${to} typ host`);
    await connection.setRemoteDescription({ type: 'answer', sdp });
  }, { milliseconds, from, to });
}

/** What the statistics say of the busiest slot of the page's listening session, or of the one beside it. */
export async function receive(page, name) {
  return page.evaluate(async (name) => {
    let best = { packetsReceived: 0 };
    for (const connection of window.heard.connections) {
      if (connection.connectionState !== 'connected' || connection.name !== name) continue;
      (await connection.getStats()).forEach((s) => {
        if (s.type === 'inbound-rtp' && s.packetsReceived > best.packetsReceived) best = { ...s, at: s.timestamp };
      });
    }
    return best;
  }, name);
}

/** Begins to keep every sample of the first slot, as the decoder gives it. */
export async function tap(page) {
  await page.evaluate(() => {
    const connection = window.heard.connections.find((c) => c.connectionState === 'connected' && c.getReceivers().length > 1);
    const reader = new MediaStreamTrackProcessor({ track: connection.getReceivers()[0].track.clone(), maxBufferSize: 500 }).readable.getReader();
    const kept = { parts: [], reader };
    window.heard.tap = kept;
    const pump = async () => {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        const plane = new Float32Array(value.numberOfFrames);
        value.copyTo(plane, { planeIndex: 0, format: 'f32-planar' });
        value.close();
        kept.parts.push(Int16Array.from(plane, (v) => Math.max(-1, Math.min(1, v)) * 32767));
      }
    };
    kept.ended = pump();
  });
}

/** Ends what tap began and gives the samples. */
export async function untap(page) {
  const packed = await page.evaluate(async () => {
    const { parts, reader, ended } = window.heard.tap;
    await reader.cancel();
    await ended;
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
    let text = '';
    for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
    return btoa(text);
  });
  const bytes = Buffer.from(packed, 'base64');
  return Float32Array.from({ length: bytes.length >> 1 }, (_, i) => bytes.readInt16LE(2 * i) / 32768);
}

/** Hears the one and not the other, and says how much of the sound had to be made up. */
export async function hearsWell(person, said, unsaid) {
  await hears(person, said, unsaid);
  const { packets, concealed, samples } = await inbound(person.page);
  console.log(`# ${packets} packets, ${((100 * concealed) / samples).toFixed(2)} % of the sound concealed`);
  assert.ok(packets > 0);
}
