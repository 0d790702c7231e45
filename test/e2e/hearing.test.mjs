import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { hears, hearsWell } from './hear.mjs';
import { Hosts, evening } from './hosts.mjs';
import { Person } from './person.mjs';
import { Server } from './server.mjs';
import { witness } from './witness.mjs';

const title = 'Rivers and bridges';

let hosts, server, host, second, listener, english, russian;

witness(() => [host, second, listener]);

before(async () => {
  hosts = new Hosts(['a', 'b', 'c']);
  hosts.open();
  [english, russian] = evening(hosts.folder);
  server = new Server(hosts);
  await server.start();
  host = await Person.arrive(hosts, server, 'a', { username: 'host', name: 'Host', says: english });
  second = await Person.arrive(hosts, server, 'b', { username: 'second', name: 'Second', viewport: { width: 390, height: 844 } });
  listener = await Person.arrive(hosts, server, 'c', { username: 'listener', name: 'Listener', says: russian });
});

after(async () => {
  for (const person of [host, second, listener]) await person?.leaveBrowser().catch(() => {});
  await server?.kill();
  hosts?.close();
});

test('the owner signs up with the printed link, invites, and opens a room', async () => {
  await host.join(server.ownerPath());
  const first = await host.invite();
  const other = await host.invite();
  assert.notEqual(first, other);
  await host.startRoom(title);
  await host.button('Unmute').first().click();
  await host.button('Mute').waitFor();
  await second.join(first);
  await listener.join(other);
});

test('the first to come is on stage, the next in the audience', async () => {
  await second.enter(title);
  await second.page.getByText('You are on stage, and muted').waitFor();
  await listener.enter(title);
  await listener.button('Raise hand').waitFor();
  await host.page.getByRole('button', { name: /^Listener/ }).waitFor();
});

test('who listens hears what is said, and the right face rings', async () => {
  await listener.seesRinging('Host');
  await hearsWell(listener, english, russian);
});

test('a raised hand, an invitation and an unmute later, the listener is heard', async () => {
  await listener.comesUp(host);
  await host.button('Mute').click();
  await listener.button('Unmute').first().click();
  await host.seesRinging('Listener');
  await hears(host, russian, english);
});

test('nobody comes on stage without accepting', async () => {
  await host.face('Second').click();
  await host.button('Move to audience').click();
  await second.button('Raise hand').waitFor();
  await host.face('Second').click();
  await host.button('Invite to stage').click();
  await second.button('Maybe later').click();
  await second.button('Raise hand').waitFor();
  await host.page.keyboard.press('Escape');
  await host.face('Second').click();
  await host.button('Invite to stage').click();
  await second.button('Join the stage').click();
  await second.page.getByText('You are on stage, and muted').waitFor();
});

test('who leaves quietly gets no packet a second later', async () => {
  await second.button('Leave quietly').click();
  await second.page.getByRole('heading', { name: 'Who is talking' }).waitFor();
  await new Promise((done) => setTimeout(done, 1000));
  const before = hosts.datagramsReceived('b');
  const others = hosts.datagramsReceived('a');
  await new Promise((done) => setTimeout(done, 2000));
  assert.equal(hosts.datagramsReceived('b') - before, 0);
  assert.ok(hosts.datagramsReceived('a') - others > 50, 'the host still hears: the test would see packets');
});

test('no page broke its own rules', () => {
  for (const person of [host, second, listener]) assert.deepEqual(person.errors, []);
});
