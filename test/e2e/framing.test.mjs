// What a browser makes of packets that change their length while somebody speaks: no concealment, no click.
// BESEDKA_FRAMING_CYCLES makes it longer: how often the audience grows and shrinks again. `make switches` measures both engines for ten minutes.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { listenBeside, receive, tap, untap } from './hear.mjs';
import { Hosts, speech } from './hosts.mjs';
import { Person } from './person.mjs';
import { Server } from './server.mjs';
import { alone, concealments, keepStatistics, statistics } from './statistics.mjs';

const title = 'Lanterns on the river';
const cycles = Number(process.env.BESEDKA_FRAMING_CYCLES ?? 2);
const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

let hosts, server, host, other, listener;

before(async () => {
  hosts = new Hosts(['a', 'b', 'c']);
  hosts.open();
  const english = speech(hosts.folder, 'english', 'en', 'One after another the lamps are lit along the river, and the town begins to talk of bridges, of boats, and of the old song that nobody sings to its end.');
  process.env.BESEDKA_LONG_PACKETS = '4'; // four sessions that hear the room are a large audience here
  server = new Server(hosts);
  await server.start();
  host = await Person.arrive(hosts, server, 'a', { username: 'host', name: 'Host', says: english });
  other = await Person.arrive(hosts, server, 'b', { username: 'other', name: 'Other' });
  listener = await Person.arrive(hosts, server, 'c', { username: 'listener', name: 'Listener' });
  await host.join(server.ownerPath());
  const invitations = [await host.invite(), await host.invite()];
  await host.startRoom(title);
  await host.button('Unmute').first().click();
  await host.button('Mute').waitFor();
  await other.join(invitations[0]);
  await listener.join(invitations[1]);
  await other.enter(title); // the second one is on stage; whoever comes back is in the audience
  await listener.enter(title);
  await listener.button('Raise hand').waitFor();
  await other.button('Leave quietly').click();
});

after(async () => {
  for (const person of [host, other, listener]) await person?.leaveBrowser().catch(() => {});
  await server?.kill();
  hosts?.close();
});

/** Packets a second that the listener gets, over some seconds. */
async function rate(seconds) {
  const from = await receive(listener.page);
  await pause(seconds);
  const to = await receive(listener.page);
  return (to.packetsReceived - from.packetsReceived) / ((to.at - from.at) / 1000);
}

/** The largest second difference of a recording: what a click is made of. */
function sharpest(samples) {
  let most = 0;
  for (let i = 2; i < samples.length; i++) most = Math.max(most, Math.abs(samples[i] - 2 * samples[i - 1] + samples[i - 2]));
  return most;
}

test('the host’s browser sends RED, which survives loss', async () => {
  const [bytes, opus] = await host.page.evaluate(async () => {
    for (const connection of window.heard.connections) {
      for (const s of (await connection.getStats()).values()) {
        if (s.type === 'outbound-rtp') return [s.bytesSent / s.packetsSent, s.targetBitrate / 8 / 50];
      }
    }
  });
  assert.ok(bytes > 1.5 * opus, `${bytes} bytes in a packet, ${opus} of Opus in a frame: nothing is repeated`);
});

test('packets become longer and short again without a loss or a click', async () => {
  await listenBeside(listener.page, 20); // what befalls both is the machine's fault, not the framing's
  await pause(8); // the jitter buffers learn, and the audience is small again
  const short = await rate(4);
  await tap(listener.page);
  await pause(12);
  const baseline = sharpest(await untap(listener.page));
  await tap(listener.page);
  await keepStatistics(listener.page);
  const from = await receive(listener.page);
  const besideFrom = await receive(listener.page, 'beside');
  const rates = [];
  for (let i = 0; i < cycles; i++) {
    await other.enter(title);
    await pause(6); // 40 ms at once, 60 two seconds later
    rates.push(await rate(3));
    await other.button('Leave quietly').click();
    await pause(6);
  }
  const to = await receive(listener.page);
  const switched = sharpest(await untap(listener.page));
  const [own, others] = [concealments(await statistics(listener.page)), concealments(await statistics(listener.page, 'beside'))];
  const again = await rate(3);
  const besideTo = await receive(listener.page, 'beside');
  const delta = (name) => to[name] - from[name];
  const beside = (name) => besideTo[name] - besideFrom[name];
  console.log(`# packets a second: ${short.toFixed(1)} short, ${rates.map((r) => r.toFixed(1)).join(' ')} long, ${again.toFixed(1)} short again; ` +
    `${delta('concealmentEvents')} concealments, ${delta('concealedSamples')} of ${delta('totalSamplesReceived')} samples in ${((to.at - from.at) / 1000).toFixed(0)} s; ` +
    `jitter buffer ${((1000 * delta('jitterBufferDelay')) / delta('jitterBufferEmittedCount')).toFixed(0)} ms; ` +
    `sharpest edge ${switched.toFixed(3)}, before ${baseline.toFixed(3)}; lost ${delta('packetsLost')}; ` +
    `beside it at 20 ms: ${beside('concealmentEvents')} concealments, ${beside('concealedSamples')} samples, ${beside('packetsReceived')} packets; ` +
    `concealed in one of them only: ${alone(own, others).length}, at 20 ms ${alone(others, own).length}`);
  for (const long of rates) assert.ok(long < 0.55 * short, `${long} packets a second are not long ones`);
  assert.ok(again > 0.6 * short, `${again} packets a second are not short ones`);
  assert.ok(beside('packetsReceived') > 1.5 * delta('packetsReceived'), 'who asked for 20 ms got long packets');
  // Four switches a cycle: each that lost or repeated a frame would be heard. A busy machine disturbs both sessions, now and then one only.
  assert.ok(alone(own, others).length <= alone(others, own).length + 2 * cycles, 'sound was concealed');
  assert.ok(switched < 2 * baseline || own.length > 0, 'a click'); // what a busy machine makes the browser conceal may click
});
