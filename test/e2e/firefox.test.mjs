// The second engine: what is said in Chromium is heard in Firefox, and the other way round.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { hears, hearsWell } from './hear.mjs';
import { Hosts, evening } from './hosts.mjs';
import { Person } from './person.mjs';
import { Server } from './server.mjs';

const title = 'Two ways to listen';

let hosts, server, host, other, fox, english, russian;

before(async () => {
  hosts = new Hosts(['a', 'b', 'c']);
  hosts.open();
  [english, russian] = evening(hosts.folder);
  server = new Server(hosts);
  await server.start();
  host = await Person.arrive(hosts, server, 'a', { username: 'host', name: 'Host', says: english });
  other = await Person.arrive(hosts, server, 'b', { username: 'other', name: 'Other' });
  fox = await Person.arrive(hosts, server, 'c', { username: 'fox', name: 'Fox', says: russian, engine: 'firefox' });
});

after(async () => {
  for (const person of [host, other, fox]) await person?.leaveBrowser().catch(() => {});
  await server?.kill();
  hosts?.close();
});

test('who listens in Firefox hears what is said in Chromium, and the right face rings', async () => {
  await host.join(server.ownerPath());
  const invitations = [await host.invite(), await host.invite()];
  await host.startRoom(title);
  await host.button('Unmute').first().click();
  await host.button('Mute').waitFor();
  await other.join(invitations[0]);
  await other.enter(title); // the first to come is on stage, the next in the audience
  await fox.join(invitations[1]);
  await fox.enter(title);
  await fox.button('Raise hand').waitFor();
  await fox.seesRinging('Host');
  await hearsWell(fox, english, russian);
});

test('who speaks in Firefox is heard in Chromium', async () => {
  await fox.comesUp(host);
  await host.button('Mute').click();
  await fox.button('Unmute').first().click();
  await host.seesRinging('Fox');
  await hears(host, russian, english);
});

test('no page broke its own rules', () => {
  for (const person of [host, other, fox]) assert.deepEqual(person.errors, []);
});
