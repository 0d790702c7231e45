import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { inbound } from './hear.mjs';
import { Hosts, speech } from './hosts.mjs';
import { Person } from './person.mjs';
import { Server } from './server.mjs';
import { witness } from './witness.mjs';

const title = 'Мосты и голоса';

let hosts, server, host, guest;

witness(() => [host, guest]);

before(async () => {
  hosts = new Hosts(['a', 'b']);
  hosts.open();
  const english = speech(hosts.folder, 'english', 'en', 'One after another the lamps are lit along the river, and the town begins to talk.');
  server = new Server(hosts);
  await server.start();
  host = await Person.arrive(hosts, server, 'a', { username: 'host', name: 'Host', says: english });
  guest = await Person.arrive(hosts, server, 'b', { username: 'guest', name: 'Гость', viewport: { width: 390, height: 844 } });
  await host.join(server.ownerPath());
  const invitation = await host.invite();
  await guest.join(invitation);
  await host.startRoom(title, { guests: true });
  await host.button('Unmute').click();
  await host.button('Mute').waitFor();
  await guest.enter(title);
});

after(async () => {
  for (const person of [host, guest]) await person?.leaveBrowser().catch(() => {});
  await server?.kill();
  hosts?.close();
});

/** Waits until more packets come in than at the moment of asking. */
async function hearsOn(person, packets = 50) {
  const { packets: before } = await inbound(person.page);
  const deadline = Date.now() + 90000;
  for (;;) {
    const now = await inbound(person.page);
    if (now.packets >= before + packets || now.packets < before && now.packets >= packets) return;
    assert.ok(Date.now() < deadline, `${person.name} hears nothing: ${before} packets before, ${now.packets} now`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

test('a minimised room plays on while one reads a profile', async () => {
  await guest.seesRinging('Host');
  await guest.button('Minimise room').click();
  await guest.page.getByRole('region', { name: 'Current room' }).waitFor();
  await guest.page.getByRole('link', { name: 'Your profile' }).click();
  await guest.page.getByText('Nominated by Host').waitFor();
  await hearsOn(guest);
  await guest.page.getByRole('link', { name: `Back to ${title}` }).click();
  await guest.page.getByRole('heading', { name: title }).waitFor();
});

test('a killed and restarted server finds everybody in their role, heard again with no one touching anything', async () => {
  await server.kill('SIGKILL');
  const killed = Date.now();
  await server.start();
  const ready = Date.now();
  await hearsOn(guest, 20);
  console.log(`# ready ${ready - killed} ms after the kill, heard again ${Date.now() - ready} ms later`);
  await guest.seesRinging('Host');
  await guest.page.getByRole('button', { name: /^Host, host/ }).waitFor();
  await guest.button('Unmute').waitFor(); // still a speaker, as the first who came
});

test('the keyboard is enough', async () => {
  await host.page.keyboard.press('m');
  await host.button('Unmute').waitFor();
  await guest.page.getByRole('button', { name: /^Host, host, muted/ }).waitFor();
  await host.page.keyboard.press('m');
  await host.button('Mute').waitFor();
  await guest.face('Гость').or(guest.face('you')).first().focus();
  await guest.page.keyboard.press('Enter');
  await guest.button('Leave the stage').press('Enter');
  await guest.button('Raise hand').waitFor();
  await guest.page.keyboard.press('h');
  await guest.page.getByRole('dialog').getByRole('button', { name: 'Raise hand' }).press('Enter');
  await guest.button('Lower hand').waitFor();
  await host.button('Bring up Гость').waitFor();
  await guest.page.keyboard.press('h');
  await guest.button('Raise hand').waitFor();
});

test('somebody without an account listens by the guest link', async () => {
  const room = new URL(host.page.url()).pathname.split('/').pop();
  const link = await host.page.evaluate((room) => fetch(`/api/v1/rooms/${room}/guests`, { method: 'POST' }).then((r) => r.json()), room);
  const { pathname, hash } = new URL(link.url);
  const stranger = await guest.another();
  await stranger.open(pathname + hash);
  await stranger.button('Listen').click();
  await hearsOn(stranger);
  await stranger.seesRinging('Host');
  assert.equal(await stranger.button('Raise hand').count(), 0);
  const gone = stranger.page.waitForResponse((r) => r.request().method() === 'DELETE' && r.url().endsWith('/seat'));
  await stranger.button('Leave quietly').click();
  await stranger.button('Leave quietly').waitFor({ state: 'detached' });
  await gone; // closing the page now could break it off
  assert.deepEqual(stranger.errors, []);
  await stranger.page.context().close();
});

test('who was removed is told why and does not come back', async () => {
  await host.face('Гость').click();
  await host.button('Remove from room').click();
  await host.page.getByLabel('Off topic, does not let others speak').check();
  await host.button('Remove').click();
  await guest.page.getByRole('heading', { name: 'You were removed from this room' }).waitFor();
  await new Promise((done) => setTimeout(done, 1000)); // what was on its way, and the farewell
  const before = hosts.datagramsReceived('b');
  await new Promise((done) => setTimeout(done, 1000));
  assert.equal(hosts.datagramsReceived('b'), before);
  await guest.open('/');
  await guest.page.getByRole('heading', { name: 'Who is talking' }).waitFor();
  assert.equal(await guest.page.getByRole('link', { name: `Join ${title}` }).count(), 0);
});

test('no page broke its own rules', () => {
  for (const person of [host, guest]) assert.deepEqual(person.errors, []);
});
