import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { badNetwork, clientAddresses } from './bad-network.mjs';
import { Hosts, speech } from './hosts.mjs';
import { Person } from './person.mjs';

const title = 'On the way';

let hosts, server, relays, host, listener;

before(async () => {
  hosts = new Hosts(['a', 'b']);
  hosts.open();
  const says = speech(hosts.folder, 'english', 'en', 'One after another the lamps are lit along the river, and the town begins to talk, of bridges and of boats.');
  ({ server, relays } = await badNetwork(hosts));
  host = await Person.arrive(hosts, server, 'a', { username: 'host', name: 'Host', says });
  // Without the microphone, as listeners are: a browser that may list the machine's addresses learns of a new one after 2 s.
  listener = await Person.arrive(hosts, server, 'b', { username: 'listener', name: 'Listener', permissions: [] });
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

/** Notes in the page when packets come. */
async function watchPackets(person) {
  await person.page.evaluate(() => {
    window.arrivals = [];
    const seen = new Map();
    setInterval(async () => {
      for (const connection of window.heard.connections) {
        if (connection.connectionState === 'closed') continue;
        let packets = 0;
        (await connection.getStats()).forEach((s) => s.type === 'inbound-rtp' && (packets += s.packetsReceived));
        if (packets > (seen.get(connection) ?? 0)) window.arrivals.push(performance.now());
        seen.set(connection, packets);
      }
    }, 20);
  });
}

/** Notes in the page what everybody in the room is told. */
async function watchRoster(person) {
  await person.page.evaluate(() => {
    window.told = [];
    const room = location.pathname.split('/').pop();
    const events = new EventSource(`/api/v1/events?room=${room}`);
    events.onmessage = ({ data }) => window.told.push(JSON.parse(data).kind);
  });
  await person.page.waitForFunction(() => window.told.includes('hello'));
  await person.page.waitForTimeout(1000); // what is told of the entry may come a moment later
  await person.page.evaluate(() => (window.told = []));
}

/** The longest time without a packet, in milliseconds, from just before the change on. */
async function gap(person, change) {
  const from = await person.page.evaluate(() => performance.now() - 200);
  await change();
  await person.page.waitForTimeout(8000);
  const arrivals = await person.page.evaluate((from) => window.arrivals.filter((at) => at > from), from);
  const steps = arrivals.map((at, i) => (i > 0 ? at - arrivals[i - 1] : at - from));
  assert.ok(arrivals.at(-1) > from + 6500, `nothing is heard after the change: ${arrivals.length} arrivals, the longest pause ${Math.round(Math.max(...steps))} ms, the last at ${Math.round(arrivals.at(-1) - from)} ms`);
  return Math.round(Math.max(...steps));
}

test('who changes networks hears again by himself, and nobody sees him go', async () => {
  await watchPackets(listener);
  await watchRoster(host);
  const gaps = [];
  for (let i = 0; i < 4; i++) {
    // By turns a NAT that forgets the mapping, and another address of the machine itself.
    gaps.push(await gap(listener, i % 2 ? () => hosts.move('b') : () => relays.b.rebind(clientAddresses[0])));
  }
  console.log(`# gaps of ${gaps.join(', ')} ms`);
  assert.deepEqual(await host.page.evaluate(() => window.told), []);
  await listener.seesRinging('Host');
});
