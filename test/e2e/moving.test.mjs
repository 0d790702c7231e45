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
  host = await Person.arrive(hosts, server, 'a', { username: 'host', name: 'Host', says, permissions: 'remembered' });
  listener = await Person.arrive(hosts, server, 'b', { username: 'listener', name: 'Listener', permissions: [] });
  permitted = await Person.arrive(hosts, server, 'c', { username: 'permitted', name: 'Permitted', permissions: 'remembered' });
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

/** The longest time without a packet for the listener, in milliseconds, from just before the change on; watched until packets have come for two seconds. */
async function gap({ page }, change) {
  const from = await page.evaluate(() => performance.now() - 200);
  await change();
  await page.waitForTimeout(2000);
  await page.waitForFunction(() => {
    const now = performance.now();
    return window.arrivals.filter((at) => at > now - 2000).length > 20 && window.arrivals.at(-1) > now - 500;
  });
  const arrivals = await page.evaluate((from) => window.arrivals.filter((at) => at > from), from);
  return Math.round(Math.max(...arrivals.map((at, i) => (i > 0 ? at - arrivals[i - 1] : at - from))));
}

/** By turns a NAT that forgets the person's mapping, and another address of the machine itself; what the ear misses of it. */
async function gaps({ guest }, ear) {
  const found = { mapping: [], address: [] };
  for (let i = 0; i < moves; i++) {
    if (i % 2) found.address.push(await gap(ear, () => hosts.move(guest)));
    else found.mapping.push(await gap(ear, () => relays[guest].rebind(clientAddresses[(i / 2) % 2])));
  }
  console.log(`# gaps of ${found.mapping.join(', ')} ms with another mapping, ${found.address.join(', ')} ms with another address`);
}

test('who changes networks hears again by himself, and nobody sees him go', async () => {
  await watchPackets(listener);
  await watchRoster(host);
  await gaps(listener, listener);
  assert.deepEqual(await told(host), []);
  await listener.seesRinging('Host');
});

/**
 * Who has given the microphone lets the browser list the machine's networks, and Chromium believes in a new one 2 s late: only a connection that
 * is not bound to any of them goes on at once. Such a one names no address of the machine.
 */
async function isBoundToNoNetwork({ page, guest }) {
  assert.equal(await page.evaluate(async () => (await navigator.permissions.query({ name: 'microphone' })).state), 'granted');
  const offers = await page.waitForFunction(() => {
    const open = window.heard.connections.filter((one) => one.connectionState === 'connected' && one.iceGatheringState === 'complete');
    return open.length > 0 && open.map((one) => one.localDescription.sdp);
  });
  const net = hosts.guests[guest].address.replace(/\d+$/, '');
  for (const sdp of await offers.jsonValue()) {
    const candidates = sdp.split('\r\n').filter((line) => line.startsWith('a=candidate:'));
    assert.notEqual(candidates.length, 0);
    assert.deepEqual(candidates.filter((line) => line.includes(net)), []);
  }
}

test('so does who has given the microphone to the page', async () => {
  await watchPackets(permitted);
  await isBoundToNoNetwork(permitted);
  await gaps(permitted, permitted);
  await isBoundToNoNetwork(permitted);
  assert.deepEqual(await told(host), []);
  await permitted.seesRinging('Host');
});

test('who is cut off and told nothing hears again', async () => {
  const found = { udp: [], all: [] };
  for (let i = 0; i < moves; i++) {
    if (i % 2) found.all.push(await gap(listener, () => hosts.cut(listener.guest, ['udp', 'tcp'])));
    else found.udp.push(await gap(listener, () => hosts.cut(listener.guest, ['udp'])));
  }
  console.log(`# gaps of ${found.udp.join(', ')} ms when the media is lost, ${found.all.join(', ')} ms when every connection is`);
  await listener.seesRinging('Host');
});

test('who speaks and changes networks is heard again', async () => {
  await isBoundToNoNetwork(host);
  await gaps(host, listener);
  await listener.seesRinging('Host');
});
