// Who changes networks hears again by himself, and nobody sees him go. BESEDKA_MOVES makes it longer.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { badNetwork, clientAddresses } from './bad-network.mjs';
import { Hosts, speech } from './hosts.mjs';
import { Person } from './person.mjs';
import { told, watchRoster } from './told.mjs';
import { witness } from './witness.mjs';

const title = 'On the way';
const moves = Number(process.env.BESEDKA_MOVES ?? 4);

let hosts, server, relays, host, listener, permitted;

witness(() => [host, listener, permitted]);

before(async () => {
  hosts = new Hosts(['a', 'b', 'c']);
  hosts.open();
  const says = speech(hosts.folder, 'english', 'en', 'One after another the lamps are lit along the river, and the town begins to talk, of bridges and of boats.');
  ({ server, relays } = await badNetwork(hosts));
  host = await Person.arrive(hosts, server, 'a', { username: 'host', name: 'Host', says });
  // As most listeners are; who has given the microphone away lets the browser list the machine's addresses, and Chromium learns of a new one 2 s late.
  listener = await Person.arrive(hosts, server, 'b', { username: 'listener', name: 'Listener', permissions: [] });
  permitted = await Person.arrive(hosts, server, 'c', { username: 'permitted', name: 'Permitted' });
  await host.join(server.ownerPath());
  await listener.join(await host.invite());
  await permitted.join(await host.invite());
  await host.startRoom(title);
  await host.button('Unmute').click();
  await host.button('Mute').waitFor();
  for (const person of [listener, permitted]) {
    await person.enter(title);
    await person.seesRinging('Host');
  }
});

after(async () => {
  for (const person of [host, listener, permitted]) await person?.leaveBrowser().catch(() => {});
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

/** The longest time without a packet, in milliseconds, from just before the change on; watched until packets have come for two seconds. */
async function gap(person, change) {
  const from = await person.page.evaluate(() => performance.now() - 200);
  await change();
  await person.page.waitForTimeout(2000);
  await person.page.waitForFunction(() => {
    const now = performance.now();
    return window.arrivals.filter((at) => at > now - 2000).length > 20 && window.arrivals.at(-1) > now - 500;
  });
  const arrivals = await person.page.evaluate((from) => window.arrivals.filter((at) => at > from), from);
  return Math.round(Math.max(...arrivals.map((at, i) => (i > 0 ? at - arrivals[i - 1] : at - from))));
}

/** By turns a NAT that forgets the mapping, and another address of the machine itself. */
async function gaps(person) {
  const found = { mapping: [], address: [] };
  for (let i = 0; i < moves; i++) {
    if (i % 2) found.address.push(await gap(person, () => hosts.move(person.guest)));
    else found.mapping.push(await gap(person, () => relays[person.guest].rebind(clientAddresses[(i / 2) % 2])));
  }
  console.log(`# gaps of ${found.mapping.join(', ')} ms with another mapping, ${found.address.join(', ')} ms with another address`);
}

test('who changes networks hears again by himself, and nobody sees him go', async () => {
  await watchPackets(listener);
  await watchRoster(host);
  await gaps(listener);
  assert.deepEqual(await told(host), []);
  await listener.seesRinging('Host');
});

test('so does whose browser may list the machine’s addresses', async () => {
  await watchPackets(permitted);
  await gaps(permitted);
  assert.deepEqual(await told(host), []);
  await permitted.seesRinging('Host');
});
