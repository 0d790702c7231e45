// A restless network makes jitter buffers long, and browsers shorten them over minutes: the client makes the receivers anew
// when it has become calm. Nobody else notices, and who listens hears on, earlier.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { badNetwork } from './bad-network.mjs';
import { hears } from './hear.mjs';
import { evening, Hosts } from './hosts.mjs';
import { Person } from './person.mjs';
import { keepStatistics, statistics } from './statistics.mjs';
import { told, watchRoster } from './told.mjs';
import { witness } from './witness.mjs';

const title = 'After the storm';
/** Of a good network, each way. */
const good = { delay_ms: 20 };
const patience = 240000; // a busy machine makes the best network restless for a while

let hosts, server, relays, host, listener, english, russian;

witness(() => [host, listener]);

before(async () => {
  hosts = new Hosts(['a', 'b']);
  hosts.open();
  [english, russian] = evening(hosts.folder);
  ({ server, relays } = await badNetwork(hosts));
  for (const relay of Object.values(relays)) await relay.set({ up: good, down: good });
  host = await Person.arrive(hosts, server, 'a', { username: 'host', name: 'Host', says: english });
  listener = await Person.arrive(hosts, server, 'b', { username: 'listener', name: 'Listener' });
  await host.join(server.ownerPath());
  await listener.join(await host.invite());
  await host.startRoom(title);
  await host.button('Unmute').click();
  await host.button('Mute').waitFor();
  await listener.enter(title);
  await listener.seesRinging('Host');
});

after(async () => {
  for (const person of [host, listener]) await person?.leaveBrowser().catch(() => {});
  for (const relay of Object.values(relays ?? {})) await relay.close();
  await server?.kill();
  hosts?.close();
});

/** How many milliseconds the jitter buffer delayed what was played in the last second; undefined if that is not known. */
function delayed(kept) {
  const [from, to] = [kept.at(-5), kept.at(-1)];
  const played = from && to.jitterBufferEmittedCount - from.jitterBufferEmittedCount;
  if (played > 0 && to.packetsReceived > from.packetsReceived) return Math.round((1000 * (to.jitterBufferDelay - from.jitterBufferDelay)) / played);
}

/** Waits until the statistics that have been kept say so, and gives what it is that they say. */
async function waitFor(what, found) {
  for (const deadline = Date.now() + patience; ; await listener.page.waitForTimeout(250)) {
    const kept = await statistics(listener.page);
    const is = found(kept);
    if (is) return is;
    const last = JSON.stringify(kept.slice(-3));
    assert.ok(Date.now() < deadline, `${what}: never; at last ${delayed(kept)} ms late: ${last}`);
  }
}

/** The delay, if it is in those bounds. */
const within = (least, most) => (kept) => delayed(kept) > least && delayed(kept) < most && delayed(kept);

/** Whether the receivers have begun anew since so many looks, which their counters show. */
const begunAnew = (looks) => (kept) => kept.slice(looks).some((look, i) => look.packetsReceived < kept[looks + i - 1].packetsReceived);

test('sound that a restless network has made late comes early again when it is calm', async () => {
  const sessions = [];
  listener.page.on('request', (request) => /\/whep/.test(request.url()) && sessions.push(`${request.method()} ${request.url()}`));
  await watchRoster(host);
  await keepStatistics(listener.page);
  await relays.b.set({ down: { ...good, jitter_ms: 300 } });
  await waitFor('the sound is late', within(230, Infinity));
  await listener.page.waitForTimeout(6000); // what was long for a moment only is forgotten soon
  const restless = await waitFor('the sound stays late', within(230, Infinity));
  const looks = (await statistics(listener.page)).length;
  await relays.b.set({ down: good });
  const from = Date.now();
  await waitFor('the receivers are made anew', begunAnew(looks));
  const renewed = Date.now();
  const calm = await waitFor('the sound is early', within(0, 160));
  console.log(`# ${restless} ms late; when it was calm the receivers were made anew after ${((renewed - from) / 1000).toFixed(1)} s, and ${((Date.now() - from) / 1000).toFixed(1)} s after it was calm it was ${calm} ms`);
  await hears(listener, english, russian, 5);
  await listener.seesRinging('Host');
  assert.deepEqual(await told(host), [], 'the room was told something');
  assert.deepEqual(sessions, [], 'the server was asked for a session');
});
