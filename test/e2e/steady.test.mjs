// The steady stream: what a phone plays that silences WebRTC when it is locked.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { hears } from './hear.mjs';
import { Hosts, speech } from './hosts.mjs';
import { Person } from './person.mjs';
import { Server } from './server.mjs';
import { witness } from './witness.mjs';

const title = 'Night trains';
const choice = 'Steady stream, for a locked phone';

let hosts, server, host, second, listener, english, russian;

witness(() => [host, second, listener]);

before(async () => {
  hosts = new Hosts(['a', 'b', 'c']);
  hosts.open();
  english = speech(hosts.folder, 'english', 'en', 'Good evening, and welcome. Tonight we speak about rivers, and bridges, and about how a town finds its voice.');
  russian = speech(hosts.folder, 'russian', 'ru', 'Добрый вечер. Сегодня мы говорим о реках, о мостах и о том, как город находит свой голос.');
  server = new Server(hosts);
  await server.start();
  host = await Person.arrive(hosts, server, 'a', { username: 'host', name: 'Host', says: english });
  second = await Person.arrive(hosts, server, 'b', { username: 'second', name: 'Second' });
  listener = await Person.arrive(hosts, server, 'c', { username: 'listener', name: 'Listener', viewport: { width: 390, height: 844 } });
  await host.join(server.ownerPath());
  const invitations = [await host.invite(), await host.invite()];
  await host.startRoom(title);
  await host.button('Unmute').first().click();
  await host.button('Mute').waitFor();
  await second.join(invitations[0]);
  await second.enter(title); // the first to come is on stage
  await listener.join(invitations[1]);
  await listener.enter(title);
  await listener.button('Raise hand').waitFor();
});

after(async () => {
  for (const person of [host, second, listener]) await person?.leaveBrowser().catch(() => {});
  await server?.kill();
  hosts?.close();
});

/** Opens the sheet of the sound and gives the choice in it. */
async function sound(person) {
  await person.button('Room menu').click();
  await person.page.getByRole('dialog').getByRole('button', { name: 'Sound', exact: true }).click();
  const check = person.page.getByRole('checkbox', { name: choice });
  await check.waitFor();
  return check;
}

async function closeSheet(person) {
  await person.page.keyboard.press('Escape');
  await person.page.getByRole('dialog').waitFor({ state: 'detached' });
}

const playing = (person) => person.page.getByText('Steady stream.', { exact: true });

/** Waits until an element that plays a file has gone on by so many seconds; gives what it plays. */
async function plays(person, seconds) {
  const handle = await person.page.waitForFunction((seconds) => {
    const element = window.heard.elements.find((one) => one.src && !one.paused && !one.error);
    if (!element) return null;
    const since = (window.heard.since ??= {});
    since[element.src] ??= element.currentTime;
    return element.currentTime - since[element.src] >= seconds && element.src;
  }, seconds);
  return handle.jsonValue();
}

test('who chooses the steady stream hears what is said, in one element and without WebRTC', async () => {
  await listener.seesRinging('Host');
  const check = await sound(listener);
  await check.focus();
  await check.press('Space');
  await playing(listener).waitFor();
  assert.ok(await check.isChecked());
  await closeSheet(listener);
  assert.match(await plays(listener, 3), /\/api\/v1\/rooms\/\w+\/stream\/\w+$/);
  await listener.page.waitForFunction(() => window.heard.connections.every((one) => one.connectionState !== 'connected'));
  await hears(listener, english, russian);
  const room = await host.page.evaluate(() => fetch(`/api/v1${location.pathname}`).then((answer) => answer.json()));
  assert.ok(room.participants.find((one) => one.name === 'Listener')?.connected, 'who hears stands in the roster');
});

test('who comes later begins in the middle, with what is said now', async () => {
  await second.page.evaluate(async () => {
    const answer = await fetch(`/api/v1${location.pathname}/stream`, { method: 'POST' });
    const element = new Audio((await answer.json()).url);
    element.muted = true; // the room sounds beside it
    await element.play();
  });
  await plays(second, 3);
  await plays(listener, 3);
  await second.page.evaluate(() => window.heard.elements.forEach((one) => one.src && one.pause()));
});

test('the steady stream comes back by itself when the server was away', async () => {
  const before = await plays(listener, 0);
  await server.kill();
  await server.start();
  await listener.page.waitForFunction((before) => window.heard.elements.some((one) => one.src && one.src !== before && !one.paused && one.currentTime > 1), before);
  await playing(listener).waitFor();
  await second.seesRinging('Host'); // who is up again too
  await hears(listener, english, russian);
});

test('live sound comes back with one tap, and with the stage', async () => {
  await listener.button('Hear it live').click();
  await listener.seesRinging('Host');
  assert.equal(await listener.page.evaluate(() => window.heard.elements.filter((one) => one.src).length), 0);
  await (await sound(listener)).check();
  await closeSheet(listener);
  await playing(listener).waitFor();
  await host.face('Listener').click();
  await host.button('Invite to stage').click();
  await listener.button('Join the stage').click();
  await listener.page.getByText('You are on stage, and muted').waitFor();
  await listener.seesRinging('Host');
  await playing(listener).waitFor({ state: 'detached' });
  assert.ok(await (await sound(listener)).isDisabled(), 'the steady stream is not for the stage');
  await closeSheet(listener);
});
