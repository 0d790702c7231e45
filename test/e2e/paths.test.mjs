// The ways in (UDP, ICE-TCP, TURN over TLS on the HTTPS port): browsers behind firewalls hear, and how soon.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { hears } from './hear.mjs';
import { Hosts, speech } from './hosts.mjs';
import { Person } from './person.mjs';
import { Server } from './server.mjs';

const title = 'Doors and windows';

/** What silently lets nothing but this out of a guest's network, and nothing in that was not asked for. */
const only = (...rules) => `table inet wall {
  chain out { type filter hook output priority 0; policy drop; oif lo accept; ${rules.map((r) => `${r};`).join(' ')} }
  chain in { type filter hook input priority 0; policy drop; iif lo accept; ct state established,related accept; }
}`;

let hosts, server, host, english, russian;
const people = [];

before(async () => {
  hosts = new Hosts(['a', 'u', 't', 's']);
  hosts.open();
  english = speech(hosts.folder, 'english', 'en', 'Good evening, and welcome. Tonight we speak about doors, and windows, and about the ways into a house.');
  russian = speech(hosts.folder, 'russian', 'ru', 'Добрый вечер. Сегодня мы говорим о дверях, об окнах и о том, как войти в дом.');
  server = new Server(hosts, hosts.certificate());
  await server.start();
  host = await arrive('a', 'Host', { says: english });
  await host.join(server.ownerPath());
});

after(async () => {
  for (const person of people) await person.leaveBrowser().catch(() => {});
  await server?.kill();
  hosts?.close();
});

async function arrive(guest, name, more = {}) {
  const person = await Person.arrive(hosts, server, guest, { username: name.toLowerCase(), name, ...more });
  people.push(person);
  return person;
}

/** Enters the room and gives the milliseconds until the first sound was decoded, and the way it came. */
async function enter(person) {
  await person.open('/');
  const link = person.page.getByRole('link', { name: `Join ${title}` });
  await link.waitFor();
  const began = Date.now();
  await link.click();
  await person.page.evaluate(async () => {
    for (const deadline = Date.now() + 60000; Date.now() < deadline; await new Promise((done) => setTimeout(done, 20))) {
      for (const connection of window.heard.connections) {
        if (connection.connectionState !== 'connected') continue;
        for (const s of (await connection.getStats()).values()) if (s.type === 'inbound-rtp' && s.totalAudioEnergy > 0) return;
      }
    }
    throw new Error(`no sound: ${window.heard.connections.map((c) => `${c.connectionState}, ICE ${c.iceConnectionState}`).join('; ')}`);
  });
  return { took: Date.now() - began, way: await way(person) };
}

/** The local candidate of the pair in use. */
function way(person) {
  return person.page.evaluate(async () => {
    for (const connection of window.heard.connections) {
      if (connection.connectionState !== 'connected') continue;
      const stats = await connection.getStats();
      const transport = [...stats.values()].find((s) => s.type === 'transport');
      const pair = stats.get(transport.selectedCandidatePairId);
      const { candidateType, protocol, relayProtocol, url } = stats.get(pair.localCandidateId);
      return { candidateType, protocol, relayProtocol, url };
    }
    return null;
  });
}

const hearsTheHost = (person) => hears(person, english, russian, 6);

test('the host speaks, over HTTPS of our own', async () => {
  await host.startRoom(title);
  await host.button('Unmute').first().click();
  await host.button('Mute').waitFor();
});

test('with nothing in the way sound comes by UDP', async () => {
  const person = await arrive('u', 'Open');
  await person.join(await invitation());
  const { took, way } = await enter(person);
  console.log(`# first sound by UDP after ${took} ms ${JSON.stringify(way)}`);
  assert.equal(way.protocol, 'udp');
  assert.equal(way.relayProtocol, undefined);
  await hearsTheHost(person);
});

test('where UDP is blocked it comes by TCP', async () => {
  const person = await arrive('t', 'Tcp');
  await person.join(await invitation());
  hosts.firewall('t', only('meta l4proto tcp accept'));
  const before = hosts.datagramsReceived('t');
  const { took, way } = await enter(person);
  console.log(`# first sound by TCP after ${took} ms ${JSON.stringify(way)}`);
  assert.equal(way.protocol, 'tcp');
  await hearsTheHost(person);
  assert.equal(hosts.datagramsReceived('t'), before, 'a datagram came in: UDP was not blocked');
});

test('where all but the HTTPS port is blocked it comes by TURN over TLS', async () => {
  const person = await arrive('s', 'Https');
  await person.join(await invitation());
  hosts.firewall('s', only('tcp dport 443 accept'));
  const before = hosts.datagramsReceived('s');
  const { took, way } = await enter(person);
  console.log(`# first sound by TURN over TLS after ${took} ms ${JSON.stringify(way)}`);
  assert.equal(way.relayProtocol, 'tls');
  await hearsTheHost(person);
  assert.equal(hosts.datagramsReceived('s'), before, 'a datagram came in: UDP was not blocked');
});

test('the test of the connection says in words what is blocked', async () => {
  for (const [name, verdict, outcomes] of [
    ['Open', 'good', ['works', 'works', 'works']], ['Tcp', 'tcp_only', ['blocked', 'works', 'works']], ['Https', 'relay_only', ['blocked', 'blocked', 'works']],
  ]) {
    const { page } = people.find((person) => person.name === name);
    await page.goto(page.url().replace(/(https:..[^/]+).*/, '$1/settings'));
    await page.getByRole('link', { name: 'Test my connection' }).click();
    await page.locator('[data-verdict]').waitFor();
    const said = await page.locator('[data-verdict]').innerText();
    console.log(`# ${name}: ${(await page.locator('[data-way]').allInnerTexts()).join('; ').replaceAll('\n', ' ')}: ${said.replaceAll('\n', ': ')}`);
    assert.equal(await page.locator('[data-verdict]').getAttribute('data-verdict'), verdict);
    assert.deepEqual(await page.locator('[data-way]').evaluateAll((all) => all.map((one) => one.dataset.outcome)), outcomes);
  }
});

test('no page broke its own rules', () => {
  for (const person of people) assert.deepEqual(person.errors, []);
});

/** A link to join, made by the host in another page, so that the room's stays as it is. */
async function invitation() {
  return host.page.evaluate(async () => {
    const answer = await fetch('/api/v1/invitations', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' });
    return new URL((await answer.json()).url).pathname;
  });
}
