// How the client feels: how soon somebody is heard after the tap on a card, how soon a ring and a mute follow, how much script that takes,
// how far pages jump, and what a full stage and a room of thousands cost. Prints a table, writes JSON for bench/run. Not a test: `make bench`.
//
//   node feel.mjs [--joins 12] [--seconds 60] [--json FILE] [--only server,gallery]
//
// Server part: two browsers in network namespaces, every packet and every byte of HTTP through our relay, which adds 40 ms each way.
// (The relay accepts a TCP connection at once, so that a new one costs no round trip more; the client's are open when one taps.)
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { badNetwork } from './bad-network.mjs';
import { galleryBrowser, openGallery, visit } from './gallery.mjs';
import { Hosts, readWav, speech } from './hosts.mjs';
import { watchMachine } from './machine.mjs';
import { Person } from './person.mjs';
import { Relay } from './relay.mjs';

const { values: options } = parseArgs({
  options: { joins: { type: 'string', default: '12' }, seconds: { type: 'string', default: '60' }, json: { type: 'string' }, only: { type: 'string', default: 'server,gallery' } },
});
const delay = { up: { delay_ms: 40 }, down: { delay_ms: 40 } };
const title = 'Lanterns on the river';
const figures = {};
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const quantile = (list, q) => list.toSorted((a, b) => a - b)[Math.min(list.length - 1, Math.ceil(q * list.length) - 1)];

function note(name, value, words) {
  figures[name] = Number(value.toFixed(3));
  console.log(`${words.padEnd(66)} ${figures[name]}`);
}

/** Takes the pauses out of a speech, so that whoever comes hears a voice at once. */
function withoutPauses(file) {
  const { rate, samples } = readWav(file);
  const step = rate / 50;
  const kept = [];
  for (let i = 0; i + step <= samples.length; i += step) {
    const piece = samples.subarray(i, i + step);
    if (Math.sqrt(piece.reduce((sum, v) => sum + v * v, 0) / step) > 0.02) kept.push(piece);
  }
  const out = Buffer.concat([readFileSync(file).subarray(0, 44), ...kept.map((piece) => Buffer.from(Int16Array.from(piece, (v) => v * 32767).buffer))]);
  out.writeUInt32LE(out.length - 8, 4);
  out.writeUInt32LE(out.length - 44, 40);
  writeFileSync(file, out);
  return file;
}

/** Runs in the pages and their frames before their scripts: keeps when what was tapped, heard and seen, by the clock of the machine. */
function watch() {
  const at = (time) => performance.timeOrigin + (time ?? performance.now());
  const feel = (window.top.feel ??= { shift: 0, labels: [] });
  const Native = window.RTCPeerConnection;
  const follow = async (track) => {
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const plane = new Float32Array(value.numberOfFrames);
      value.copyTo(plane, { planeIndex: 0, format: 'f32-planar' });
      value.close();
      if (!feel.voice && plane.some((v) => Math.abs(v) > 0.02)) feel.voice = at();
    }
  };
  window.RTCPeerConnection = class extends Native {
    constructor(...args) {
      super(...args);
      this.addEventListener('track', ({ track }) => void follow(track.clone()));
      this.addEventListener('signalingstatechange', () => this.signalingState === 'stable' && (feel.answered ||= at()));
      this.addEventListener('connectionstatechange', () => this.connectionState === 'connected' && (feel.connected ||= at()));
    }
  };
  addEventListener('click', (event) => (feel.tap = at(event.timeStamp)), { capture: true });
  addEventListener('keydown', (event) => (feel.key = at(event.timeStamp)), { capture: true });
  new MutationObserver((changes) => {
    for (const { target, attributeName } of changes) {
      if (attributeName === 'data-speaking' && !feel.ring) feel.ring = at();
      if (attributeName === 'aria-label' && target.dataset.account) feel.labels.push({ at: at(), label: target.getAttribute('aria-label') });
    }
  }).observe(document, { subtree: true, attributes: true, attributeFilter: ['data-speaking', 'aria-label'] });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) feel.shift += entry.value;
  }).observe({ type: 'layout-shift', buffered: true });
}

/** Sizes as the server sends them to who understands Brotli; browsers say so over HTTPS only. */
function compressed(hosts, server, paths) {
  const script = `const http = require('node:http'); let sum = 0; const paths = ${JSON.stringify(paths)};
    Promise.all(paths.map((p) => new Promise((done) => http.get('${server.at('127.0.0.1')}' + p, { headers: { 'Accept-Encoding': 'br' } }, (r) => { r.on('data', (b) => sum += b.length); r.on('end', done); }))))
      .then(() => console.log(sum));`;
  return Number(execFileSync('ip', ['netns', 'exec', hosts.server, process.execPath, '-e', script]).toString());
}

async function measureServer(open) {
  const hosts = new Hosts(['a', 'b']);
  open.push(() => hosts.close());
  hosts.open();
  const says = withoutPauses(speech(hosts.folder, 'english', 'en', 'One after another the lamps are lit along the river and the town begins to talk of bridges and of boats and of the old song that nobody sings to its end'));
  const { server, relays, binary } = await badNetwork(hosts);
  open.push(() => server.kill());
  const slow = { url: (guest) => `http://${hosts.guests[guest].gateway}:8090` };
  for (const [guest, relay] of Object.entries(relays)) {
    const http = new Relay({ binary, listen: `${hosts.guests[guest].gateway}:8090`, server: '127.0.0.1:8080', network: 'tcp', namespace: hosts.server });
    await http.open();
    open.push(() => http.close(), () => relay.close());
    await relay.set(delay);
    await http.set(delay);
  }
  const [host, listener] = await Promise.all([['a', 'host', 'Host'], ['b', 'listener', 'Listener']].map(([guest, username, name]) => Person.arrive(hosts, slow, guest, { username, name, ...(guest === 'a' ? { says } : {}) })));
  for (const person of [host, listener]) {
    open.push(() => person.leaveBrowser());
    await person.page.context().addInitScript(watch);
  }
  await host.join(server.ownerPath());
  const invitation = await host.invite();
  await host.startRoom(title);
  await host.button('Unmute').first().click();
  await host.button('Mute').waitFor();
  await listener.join(invitation);
  await enterBy(listener); // the first to come is on stage; whoever comes back is in the audience
  await leave(listener);

  await listener.open('/');
  const scripts = [];
  const voice = [];
  const ring = [];
  const steps = { answered: [], connected: [] };
  for (let i = 0; i < Number(options.joins); i++) {
    const { tap, voice: heard, ring: rang, ...step } = await enterBy(listener);
    for (const [name, list] of Object.entries(steps)) list.push((step[name] - tap) / 1000);
    voice.push((heard - tap) / 1000);
    ring.push(rang - heard);
    if (i === 0) scripts.push(...(await listener.page.evaluate(() => performance.getEntriesByType('resource').map((r) => new URL(r.name).pathname).filter((path) => path.endsWith('.js')))));
    if (i + 1 < Number(options.joins)) await leave(listener);
  }
  note('script_kb', compressed(hosts, server, [...new Set(scripts)]) / 1000, `script until the first room, ${new Set(scripts).size} files, Brotli, KB`);
  note('first_voice_p50_s', quantile(voice, 0.5), `first voice after the tap, 40 ms each way, p50 of ${voice.length}, s`);
  note('first_voice_p95_s', quantile(voice, 0.95), 'first voice after the tap, p95, s');
  note('answered_p50_s', quantile(steps.answered, 0.5), 'of it until the server has answered the offer, p50, s');
  note('connected_p50_s', quantile(steps.connected, 0.5), 'of it until the connection is up, p50, s');
  note('ring_p50_ms', quantile(ring, 0.5), 'ring after the voice, p50, ms');
  note('ring_p95_ms', quantile(ring, 0.95), 'ring after the voice, p95, ms');

  await host.page.locator('body').click({ position: { x: 5, y: 400 } });
  const icon = [];
  for (let i = 0; i < 10; i++) {
    await listener.page.evaluate(() => (window.feel.labels = []));
    await host.page.keyboard.press('m');
    await listener.page.waitForFunction(() => window.feel.labels.some((one) => one.label.startsWith('Host')));
    const seen = await listener.page.evaluate(() => window.feel.labels.find((one) => one.label.startsWith('Host')).at);
    icon.push(seen - (await host.page.evaluate(() => window.feel.key)));
    await pause(1200); // taps that come faster than five a second are gathered
  }
  note('mute_icon_p50_ms', quantile(icon, 0.5), 'mute icon at a listener after the tap, 40 ms each way at both, p50, ms');
  note('mute_icon_p95_ms', quantile(icon, 0.95), 'mute icon at a listener after the tap, p95, ms');

  await listener.page.reload();
  await listener.seesRinging('Host');
  await pause(3000);
  note('shift_room', await listener.page.evaluate(() => window.feel.shift), 'cumulative layout shift of the room');
  await leave(listener);
  await listener.open('/');
  await listener.page.getByRole('link', { name: `Join ${title}` }).waitFor();
  await pause(3000);
  note('shift_hallway', await listener.page.evaluate(() => window.feel.shift), 'cumulative layout shift of the hallway');
}

/** Taps the card and waits until somebody is heard and rings. */
async function enterBy(person) {
  const card = person.page.getByRole('link', { name: `Join ${title}` });
  await card.waitFor();
  await pause(700); // the hallway is at rest
  await person.page.evaluate(() => Object.assign(window.feel, { tap: 0, answered: 0, connected: 0, voice: 0, ring: 0 }));
  await card.click();
  await person.page.waitForFunction(() => window.feel.voice && window.feel.ring);
  return person.page.evaluate(() => window.feel);
}

async function leave(person) {
  await person.button('Leave quietly').click();
  await person.page.getByRole('heading', { name: 'Who is talking' }).waitFor();
}

/** Frames of the page over so many seconds: a second, and the time between two, p95. */
function frames(page, seconds) {
  return page.evaluate((seconds) => new Promise((done) => {
    const times = [];
    const step = (now) => {
      times.push(now);
      if (now - times[0] < seconds * 1000) return requestAnimationFrame(step);
      const gaps = times.slice(1).map((time, i) => time - times[i]).sort((a, b) => a - b);
      done({ rate: gaps.length / ((now - times[0]) / 1000), gap: gaps[Math.floor(0.95 * gaps.length)] });
    };
    requestAnimationFrame(step);
  }), seconds);
}

/** What the page holds after the garbage is collected, in MB. */
async function heap(session) {
  for (let i = 0; i < 2; i++) await session.send('HeapProfiler.collectGarbage');
  return (await session.send('Runtime.getHeapUsage')).usedSize / 1e6;
}

async function measureGallery(open) {
  const folder = mkdtempSync(join(tmpdir(), 'besedka-gallery-'));
  open.push(() => rmSync(folder, { recursive: true, force: true }));
  const gallery = await openGallery(folder);
  open.push(() => gallery.close());
  const browser = await galleryBrowser();
  open.push(() => browser.close());
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.setDefaultTimeout(90000);
  const room = { path: '/rooms/r1' };
  note('frames_empty', (await frames(page, 5)).rate, 'frames a second of an empty page, here, now');
  await visit(page, gallery, { ...room, size: 'chorus' });
  await page.waitForFunction(() => document.querySelectorAll('[data-speaking]').length >= 45);
  const chorus = await frames(page, 5);
  note('faces_ringing', await page.locator('[data-speaking]').count(), 'faces that ring');
  note('frames_chorus', chorus.rate, 'frames a second while they do');
  note('frames_chorus_p95_ms', chorus.gap, 'time between two of these frames, p95, ms');

  await visit(page, gallery, { ...room, size: 'huge' });
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.enable');
  await frames(page, 15); // the first minute's caches fill
  const before = await heap(session);
  const first = await frames(page, 10);
  await frames(page, Math.max(1, Number(options.seconds) - 20));
  const last = await frames(page, 10);
  const grown = (await heap(session)) - before;
  note('crowd_heap_mb', before, 'room of 5,000: heap after collection, MB');
  note('crowd_heap_growth_mb', grown, `its growth in ${options.seconds} s, MB`);
  note('crowd_frames_first', first.rate, 'frames a second, first 10 s');
  note('crowd_frames_last', last.rate, 'frames a second, last 10 s');
  note('crowd_frames_first_p95_ms', first.gap, 'time between two frames, p95, first 10 s, ms');
  note('crowd_frames_last_p95_ms', last.gap, 'time between two frames, p95, last 10 s, ms');
}

const machine = watchMachine();
for (const [name, measure] of [['server', measureServer], ['gallery', measureGallery]]) {
  if (!options.only.split(',').includes(name)) continue;
  const open = [];
  try {
    await measure(open);
  } catch (error) {
    console.log(`not measured: ${error}`); // the rest is
  } finally {
    for (const close of open.reverse()) await Promise.resolve(close()).catch(() => {});
  }
}
console.log(`\n${machine()}`);
if (options.json) writeFileSync(options.json, `${JSON.stringify(figures, null, 2)}\n`);
process.exit(0); // a relay's pipe may still be open
