// What a listener's Chromium (or Firefox) conceals on bad networks, beside the plain Pion server of bench/pion
// behind the same relay with the same seed. Prints a Markdown table. Not a test: run it by `make network`.
//
//   node network.mjs [--seconds 30] [--warm-up 5] [--only loss,jitter,burst] [--no-pion] [--engine firefox]
//
// Beside Besedka's session another one of the same page goes through a good network: what is concealed there is the
// machine's fault. A row in which that is much is measured once more. The last column is how late what is said is heard,
// in milliseconds; where packets jitter also before that and after, and what it may be then: base and 1.3 times the jitter.
import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { badNetwork, build, mediaAddress, mediaPort, openRelay } from './bad-network.mjs';
import { listenBeside } from './hear.mjs';
import { Hosts, speech } from './hosts.mjs';
import { watchMachine } from './machine.mjs';
import { mouthToEar } from './mouth-to-ear.mjs';
import { Person } from './person.mjs';
import { buffered, grown, keepStatistics, statistics } from './statistics.mjs';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '30' }, 'warm-up': { type: 'string', default: '5' },
    only: { type: 'string', default: '' }, 'no-pion': { type: 'boolean', default: false }, engine: { type: 'string', default: 'chromium' }, seed: { type: 'string', default: '1' },
  },
});
const seed = Number(options.seed);
const began = Date.now();
const title = 'Bad networks';
const pionPort = 7892;
const pionHTTP = 8081;
const goodPort = 7883;

/** How long the delay from mouth to ear is looked at before and after a network jitters, in seconds. */
const lookFor = 10;

/** Of a good network, each way; the conditions come on top, from the server to the listener. */
const base = { delay_ms: 20 };
const conditions = [
  ['loss 0 %', {}],
  ['loss 5 %', { loss: 0.05 }],
  ['loss 10 %', { loss: 0.1 }],
  ['loss 20 %', { loss: 0.2 }],
  ['loss 30 %', { loss: 0.3 }],
  ['burst 5 %, mean 3 packets', { burst: { loss: 0.05, length: 3 } }],
  ['burst 10 %, mean 3 packets', { burst: { loss: 0.1, length: 3 } }],
  ['burst 20 %, mean 3 packets', { burst: { loss: 0.2, length: 3 } }],
  ['jitter 100 ms', { jitter_ms: 100 }],
  ['jitter 200 ms', { jitter_ms: 200 }],
  ['jitter 300 ms', { jitter_ms: 300 }],
].filter(([name]) => options.only.split(',').some((part) => name.includes(part)));

const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

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
    name: 'plain Pion', port: pionPort, mouth: speaker,
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
function besedka(host, listener) {
  return {
    name: 'Besedka', port: mediaPort, mouth: host.page,
    async listen() {
      await listener.page.reload();
      await listener.page.waitForFunction(() => window.besedka?.room?.listening?.connectionState === 'connected');
      await listenBeside(listener.page, 20, { from: mediaPort, to: goodPort });
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
    await keepStatistics(page);
    const latency = (seconds) => mouthToEar(subject.mouth, page, seconds);
    let early;
    if (down.jitter_ms) {
      await pause(Number(options['warm-up']));
      early = await latency(lookFor);
    }
    await relay.set({ down: { ...base, ...down } });
    await pause(Number(options['warm-up']));
    const before = await looks(page);
    const late = await latency(Number(options.seconds));
    const d = grown((await statistics(page)).slice(before.own));
    d.beside = grown((await statistics(page, 'beside')).slice(before.beside));
    d.late = late;
    if (down.jitter_ms) {
      await relay.set({ down: base });
      d.calmed = await calm(page);
      d.calmed.early = early;
      d.calmed.again = await latency(lookFor);
      d.calmed.goal = Math.round(early + 1.3 * down.jitter_ms);
    }
    await subject.leave(page);
    return d;
  } finally {
    await relay.close();
  }
}

/** How often the statistics of the page's sessions were looked at so far. */
const looks = async (page) => ({ own: (await statistics(page)).length, beside: (await statistics(page, 'beside')).length });

/** How late what is said is heard. */
const heardLate = ({ late, calmed }) => {
  if (late === undefined) return '–';
  return calmed?.early === undefined ? `${late} ms` : `${late} (at most ${calmed.goal}), before ${calmed.early}, after ${calmed.again ?? '–'} ms`;
};

/** How the jitter buffer becomes as short as on a good network, or nearly so, for three seconds: its length second by second, and how many seconds that took; none of those watched: undefined. */
async function calm(page) {
  const began = Date.now();
  const lengths = [];
  while (Date.now() - began < 30000) {
    const from = (await statistics(page)).length;
    await pause(1);
    lengths.push(buffered(grown((await statistics(page)).slice(from))));
    const early = lengths.findLastIndex((length) => length >= 150 || length === 0) + 1;
    if (lengths.length - early >= 3) return { seconds: early + 1, lengths };
  }
  return { lengths };
}

/** Whether so much was concealed on the good network that the row says little. */
const isDisturbed = (beside) => beside.concealedSamples > 0.003 * beside.totalSamplesReceived;

const percent = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(2)} %` : '–');

function row(name, subject, d) {
  const calmed = d.calmed ? `, calm after ${d.calmed.seconds ?? 'more than 30'} s` : '';
  const [sound, samples, beside] = [d.concealedSamples - d.silentConcealedSamples, d.totalSamplesReceived, d.beside];
  return `| ${name} | ${subject} | ${percent(d.concealedSamples, samples)} | ${percent(sound, samples)} | ${percent(beside.concealedSamples, beside.totalSamplesReceived)} | ${d.concealmentEvents} | ` +
    `${buffered(d)} ms${calmed} | ${d.packetsReceived} | ${d.packetsLost} | ${percent(d.packetsDiscarded, d.packetsReceived)} | ${heardLate(d)} |`;
}

const hosts = new Hosts(['a', 'b']);
const open = [];
try {
  hosts.open();
  const says = speech(hosts.folder, 'english', 'en', 'One after another the lamps are lit along the river, and the town begins to talk, of bridges and of boats, of who has come and who has gone, until the last of them falls silent.');
  const { server, relays, binary } = await badNetwork(hosts, { seed });
  await relays.a.set({ up: base, down: base });
  await relays.b.close();
  const good = await openRelay(hosts, binary, 'b', { port: mediaPort, at: goodPort, seed });
  await good.set({ up: base, down: base });
  open.push(() => relays.a.close(), () => good.close(), () => server.kill());
  const secure = ['a', 'b'].map((guest) => `http://${hosts.guests[guest].gateway}:${pionHTTP}`);
  const host = await Person.arrive(hosts, server, 'a', { username: 'host', name: 'Host', says, secure });
  const listener = await Person.arrive(hosts, server, 'b', { username: 'listener', name: 'Listener', secure, engine: options.engine });
  open.push(() => host.leaveBrowser(), () => listener.leaveBrowser());
  await host.join(server.ownerPath());
  const invitations = [await host.invite(), await host.invite()];
  await listener.join(invitations[0]);
  await host.startRoom(title);
  await host.button('Unmute').first().click();
  await host.button('Mute').waitFor();
  const first = await Person.sit({ ...host, username: 'other', name: 'Other' });
  await first.join(invitations[1]);
  await first.enter(title); // the first to come is on stage, the next one in the audience
  await listener.enter(title);
  await listener.button('Raise hand').waitFor();
  await first.page.context().close();
  const subjects = [besedka(host, listener)];
  if (!options['no-pion']) subjects.push(await plainServer(hosts, binary, host, listener));
  for (const subject of subjects) open.push(() => subject.close());
  console.log('| network | server | concealed | of it not silence | on a good network beside | events | jitter buffer | packets | lost | discarded | mouth to ear |\n|---|---|---|---|---|---|---|---|---|---|---|');
  for (const [name, down] of conditions) {
    const machine = watchMachine();
    let measured;
    for (let tries = 0; tries === 0 || (tries === 1 && isDisturbed(measured[0].beside) && Date.now() - began < 9 * 60000); tries++) {
      measured = await Promise.all(subjects.map((subject) => measure(hosts, binary, subject, down)));
    }
    subjects.forEach((subject, i) => console.log(row(name, subject.name, measured[i])));
    const lengths = measured.map((d, i) => d.calmed ? `; ${subjects[i].name} second by second when it is calm: ${d.calmed.lengths.join(' ')} ms` : '').join('');
    console.log(`<!-- ${name}: ${machine()}${lengths} -->`);
  }
} finally {
  for (const close of open.reverse()) await Promise.resolve(close()).catch(() => {});
  hosts.close();
}
