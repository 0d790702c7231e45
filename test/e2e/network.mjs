// What a listener's Chromium conceals on bad networks, beside the plain Pion server of bench/pion
// behind the same relay with the same seed. Prints a Markdown table. Not a test: run it by `make network`.
//
//   node network.mjs [--seconds 30] [--warm-up 5] [--only loss,jitter,burst] [--no-pion]
import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { badNetwork, build, mediaAddress, mediaPort, openRelay } from './bad-network.mjs';
import { Hosts, speech } from './hosts.mjs';
import { Person } from './person.mjs';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '30' }, 'warm-up': { type: 'string', default: '5' },
    only: { type: 'string', default: '' }, 'no-pion': { type: 'boolean', default: false }, seed: { type: 'string', default: '1' },
  },
});
const seed = Number(options.seed);
const title = 'Bad networks';
const pionPort = 7892;
const pionHTTP = 8081;

/** Of a good network, each way; the conditions come on top, from the server to the listener. */
const base = { delay_ms: 20 };
const conditions = [
  ['loss 0 %', {}],
  ['loss 5 %', { loss: 0.05 }],
  ['loss 10 %', { loss: 0.1 }],
  ['loss 20 %', { loss: 0.2 }],
  ['loss 30 %', { loss: 0.3 }],
  ['burst 10 %, mean 3 packets', { burst: { loss: 0.1, length: 3 } }],
  ['jitter 100 ms', { jitter_ms: 100 }],
  ['jitter 200 ms', { jitter_ms: 200 }],
  ['jitter 300 ms', { jitter_ms: 300 }],
].filter(([name]) => options.only.split(',').some((part) => name.includes(part)));

const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

/** Sums of what the page's open connections have received. */
function totals(page) {
  return page.evaluate(async () => {
    const sum = { packets: 0, lost: 0, discarded: 0, concealed: 0, silent: 0, events: 0, samples: 0, delay: 0, emitted: 0 };
    for (const connection of window.heard.connections) {
      if (connection.connectionState === 'closed') continue;
      (await connection.getStats()).forEach((s) => {
        if (s.type !== 'inbound-rtp' || !s.packetsReceived) return;
        sum.packets += s.packetsReceived;
        sum.lost += s.packetsLost;
        sum.discarded += s.packetsDiscarded ?? 0;
        sum.concealed += s.concealedSamples;
        sum.silent += s.silentConcealedSamples;
        sum.events += s.concealmentEvents;
        sum.samples += s.totalSamplesReceived;
        sum.delay += s.jitterBufferDelay;
        sum.emitted += s.jitterBufferEmittedCount;
      });
    }
    return sum;
  });
}

/** Speaks or listens with a plain page at the plain server. */
function joinPion(page, room, way, address) {
  return page.evaluate(async ({ room, way, address }) => {
    const connection = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    if (way === 'whip') {
      const microphone = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 } });
      connection.addTransceiver(microphone.getAudioTracks()[0], { direction: 'sendonly' });
    } else {
      connection.addTransceiver('audio', { direction: 'recvonly' });
      connection.ontrack = (e) => {
        const element = new Audio();
        element.srcObject = new MediaStream([e.track]);
        void element.play();
        window.element = element;
      };
    }
    await connection.setLocalDescription(await connection.createOffer());
    const answer = await fetch(`/api/v1/rooms/${room}/${way}`, { method: 'POST', body: connection.localDescription.sdp, headers: { 'Content-Type': 'application/sdp' } });
    const sdp = (await answer.text()).replaceAll(address.server, address.relay);
    await connection.setRemoteDescription({ type: 'answer', sdp });
    await new Promise((done, fail) => {
      const look = () => connection.connectionState === 'connected' ? done() : connection.connectionState === 'failed' ? fail(new Error('not connected')) : undefined;
      connection.onconnectionstatechange = look;
      look();
    });
  }, { room, way, address });
}

/** The plain server with its speaker; `listen` opens a listener's page anew. */
async function plainServer(hosts, binary, host, listener) {
  const program = build(hosts, 'pion', './bench/pion');
  const process_ = spawn('ip', ['netns', 'exec', hosts.server, program, '-listen', `0.0.0.0:${pionHTTP}`, '-media', `${mediaAddress}:${pionPort}`], { stdio: ['ignore', 'inherit', 'inherit'] });
  const relays = { a: await openRelay(hosts, binary, 'a', { port: pionPort, seed }) };
  const url = (guest) => `http://${hosts.guests[guest].gateway}:${pionHTTP}/healthz`;
  const open = async (person) => {
    const page = await person.page.context().newPage();
    for (let tries = 0; ; tries++) {
      try {
        await page.goto(url(person.guest));
        return page;
      } catch (error) {
        if (tries > 20) throw error;
        await pause(0.2);
      }
    }
  };
  const address = (guest) => ({ server: mediaAddress, relay: hosts.guests[guest].gateway });
  const speaker = await open(host);
  const { id: room } = await speaker.evaluate(() => fetch('/api/v1/rooms', { method: 'POST' }).then((r) => r.json()));
  await joinPion(speaker, room, 'whip', address('a'));
  await pause(1); // its track exists with the first packet
  return {
    name: 'plain Pion', port: pionPort,
    async listen() {
      const page = await open(listener);
      await joinPion(page, room, 'whep', address('b'));
      return page;
    },
    leave: (page) => page.close(),
    async close() {
      process_.kill();
      await relays.a.close();
    },
  };
}

/** Besedka itself: the listener's page is loaded anew, and goes on with its room. */
function besedka(listener) {
  return {
    name: 'Besedka', port: mediaPort,
    async listen() {
      await listener.page.reload();
      await listener.page.waitForFunction(() => window.besedka?.room?.listening?.connectionState === 'connected');
      return listener.page;
    },
    leave: () => {},
    close: () => {},
  };
}

/** One row: a fresh listener and a fresh relay of the same seed. */
async function measure(hosts, binary, subject, down) {
  const relay = await openRelay(hosts, binary, 'b', { port: subject.port, seed });
  try {
    await relay.set({ up: base, down: base });
    const page = await subject.listen();
    await relay.set({ down: { ...base, ...down } });
    await pause(Number(options['warm-up']));
    const before = await totals(page);
    await pause(Number(options.seconds));
    const after = await totals(page);
    await subject.leave(page);
    return Object.fromEntries(Object.keys(after).map((key) => [key, after[key] - before[key]]));
  } finally {
    await relay.close();
  }
}

const percent = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(2)} %` : '–');

function row(name, subject, d) {
  const each = d.emitted ? Math.round((1000 * d.delay) / d.emitted) : 0;
  return `| ${name} | ${subject} | ${percent(d.concealed, d.samples)} | ${percent(d.concealed - d.silent, d.samples)} | ${d.events} | ${each} ms | ${d.packets} | ${d.lost} | ${d.discarded} |`;
}

const hosts = new Hosts(['a', 'b']);
const open = [];
try {
  hosts.open();
  const says = speech(hosts.folder, 'english', 'en', 'One after another the lamps are lit along the river, and the town begins to talk, of bridges and of boats, of who has come and who has gone, until the last of them falls silent.');
  const { server, relays, binary } = await badNetwork(hosts, { seed });
  await relays.a.set({ up: base, down: base });
  await relays.b.close();
  open.push(() => relays.a.close(), () => server.kill());
  const secure = ['a', 'b'].map((guest) => `http://${hosts.guests[guest].gateway}:${pionHTTP}`);
  const host = await Person.arrive(hosts, server, 'a', { username: 'host', name: 'Host', says, secure });
  const listener = await Person.arrive(hosts, server, 'b', { username: 'listener', name: 'Listener', secure });
  open.push(() => host.leaveBrowser(), () => listener.leaveBrowser());
  await host.join(server.ownerPath());
  await listener.join(await host.invite());
  await host.startRoom(title);
  await host.button('Unmute').click();
  await host.button('Mute').waitFor();
  await listener.enter(title);
  const subjects = [besedka(listener)];
  if (!options['no-pion']) subjects.push(await plainServer(hosts, binary, host, listener));
  for (const subject of subjects) open.push(() => subject.close());
  console.log('| network | server | concealed | of it not silence | events | jitter buffer | packets | lost | discarded |\n|---|---|---|---|---|---|---|---|---|');
  for (const [name, down] of conditions) {
    const measured = await Promise.all(subjects.map((subject) => measure(hosts, binary, subject, down)));
    subjects.forEach((subject, i) => console.log(row(name, subject.name, measured[i])));
  }
} finally {
  for (const close of open.reverse()) await Promise.resolve(close()).catch(() => {});
  hosts.close();
}
