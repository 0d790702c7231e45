// A person who does not see takes part as an equal: where the focus stands after everything they do, and what their reader is given to say.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Ears } from './ears.mjs';
import { Hosts } from './hosts.mjs';
import { Person } from './person.mjs';
import { Server } from './server.mjs';
import { witness } from './witness.mjs';

const title = 'Rooms without light';

let hosts, server, host, ann, bob, leader, speaker, listener;

witness(() => [host, ann, bob]);

before(async () => {
  hosts = new Hosts(['a', 'b', 'c']);
  hosts.open();
  server = new Server(hosts);
  await server.start();
  [host, ann, bob] = await Promise.all([
    Person.arrive(hosts, server, 'a', { username: 'host', name: 'Host' }),
    Person.arrive(hosts, server, 'b', { username: 'ann', name: 'Ann' }),
    Person.arrive(hosts, server, 'c', { username: 'bob', name: 'Bob', viewport: { width: 390, height: 844 } }),
  ]);
  [leader, speaker, listener] = await Promise.all([host, ann, bob].map((person) => Ears.on(person)));
  await host.join(server.ownerPath());
  await ann.join(await host.invite());
});

after(async () => {
  for (const person of [host, ann, bob]) await person?.leaveBrowser().catch(() => {});
  await server?.kill();
  hosts?.close();
});

const sheet = (ears) => ears.page.getByRole('dialog');

async function closeSheet(ears) {
  await ears.page.keyboard.press('Escape');
  await sheet(ears).waitFor({ state: 'detached' });
}

test('joining says what is missing, and ends at the heading of the hallway', async () => {
  await bob.open(await host.invite());
  await bob.page.getByLabel('Name', { exact: true }).fill('Bob');
  await bob.page.getByLabel('Username').fill('bob');
  await bob.page.getByLabel('Passphrase', { exact: true }).pressSequentially('lamp river');
  await listener.hears('5 more characters to go');
  await listener.press('button', 'Join Besedka');
  await listener.standsOn('textbox', 'Passphrase');
  await bob.page.getByLabel('Passphrase', { exact: true }).fill('lamp river bridge voice');
  await bob.page.keyboard.press('Enter');
  await listener.standsOn('heading', 'Who is talking');
  assert.equal(await bob.page.title(), 'Hallway · Besedka');
});

test('each page begins at its heading and has a title of its own', async () => {
  await host.open('/');
  await leader.press('button', 'Start a room');
  await sheet(leader).getByLabel(/What is it about/).fill(title);
  await host.page.keyboard.press('Enter');
  await leader.standsOn('heading', title);
  assert.equal(await host.page.title(), `${title} · Besedka`);
  await ann.open('/');
  await speaker.press('link', `Join ${title}`); // the first who comes is on stage
  await speaker.standsOn('heading', title);
  await host.face('Ann, speaker').waitFor();
  await listener.press('link', `Join ${title}`);
  await listener.standsOn('heading', title);
  await listener.press('button', 'Minimise room');
  await listener.standsOn('heading', 'Who is talking');
  assert.equal(await bob.page.title(), `Hallway · ${title} · Besedka`);
  await listener.press('link', `Back to ${title}`);
  await listener.standsOn('heading', title);
});

test('a sheet gives the focus back to what it was opened from, and is heard while it is open', async () => {
  await leader.press('button', 'Room menu');
  await leader.press('button', 'Share the room');
  await host.page.getByRole('dialog', { name: 'Share the room' }).waitFor();
  await leader.forget();
  await leader.press('button', 'Copy link to room');
  await leader.hears(/^(Copied|http)/);
  await leader.standsOn('button', 'Copy link to room');
  await closeSheet(leader);
  await leader.standsOn('button', 'Room menu');
});

test('there are three live regions, also in a sheet, and who comes and goes is not said unless asked for', async () => {
  const regions = (ears, within) => ears.page.locator(within).locator('[aria-live]').evaluateAll((all) => all.filter((one) => one.getAttribute('aria-label') === null).map((one) => one.getAttribute('aria-live')));
  assert.deepEqual(await regions(leader, ':root'), ['assertive', 'polite', 'off']);
  assert.deepEqual((await leader.said()).filter((one) => one.text.includes('here now')), []);
  await leader.press('button', 'Room menu');
  await leader.press('button', 'Keyboard');
  await sheet(leader).getByRole('checkbox', { name: /^Say who comes and goes/ }).check();
  assert.deepEqual(await regions(leader, 'dialog'), ['assertive', 'polite', 'polite']);
  await closeSheet(leader);
  await leader.forget();
  await listener.press('button', 'React');
  await listener.press('button', 'Applause');
  await leader.hears('Bob: Applause');
  await bob.page.keyboard.press('Escape');
  await listener.standsOn('button', 'React');
});

test('a raised hand is told to the moderators under any sheet, and its place to who raised it', async () => {
  await leader.press('button', 'Room menu');
  await leader.forget();
  await listener.press('button', 'Raise hand');
  await sheet(listener).getByRole('button', { name: 'Raise hand' }).press('Enter');
  await listener.hears(/^Your hand is up/);
  await listener.standsOn('button', 'Lower hand');
  await leader.hears('Bob raised a hand.');
  await closeSheet(leader);
});

test('who is brought up stands on the button that unmutes, and the moderator where they were', async () => {
  await listener.forget();
  await leader.press('button', 'Bring up Bob');
  await listener.hears(/^You are on stage, muted/, 'assertive');
  await listener.standsOn('button', 'Unmute');
  await host.button('Bring up Bob').waitFor({ state: 'detached' });
  await leader.standsOn('heading', 'Raised hands');
  await bob.page.keyboard.press('Enter');
  await listener.hears('Unmuted');
  await listener.standsOn('button', 'Mute');
});

test('who speaks is said on asking, by a button that readers find', async () => {
  await leader.forget();
  await leader.press('button', 'Say who is speaking');
  await leader.hears(/^(Speaking: |Nobody is speaking\.)/);
});

test('what a moderator does to somebody is told them once, and at once', async () => {
  await listener.forget();
  await leader.press('button', /^Bob, speaker/);
  await leader.press('button', 'Silence Muted until you lift it');
  await listener.hears('A moderator silenced you.', 'assertive');
  await leader.standsOn('button', /^Bob, speaker, silenced/);
  await leader.press('button', /^Bob, speaker/);
  await leader.press('button', 'Lift silence');
  await listener.hears('Your silence is lifted. You may unmute.', 'assertive');
  await leader.press('button', /^Bob, speaker/);
  await leader.press('button', 'Move to audience');
  await listener.hears('A moderator moved you to the audience', 'assertive');
  await leader.standsOn('button', /^Bob/);
});

test('an invitation to the stage is a question, and yes ends at the button that unmutes', async () => {
  await leader.press('button', /^Bob/);
  await leader.press('button', 'Invite to stage');
  const question = bob.page.getByRole('dialog', { name: 'Host invites you to join as a speaker' });
  await question.waitFor();
  assert.equal(await question.evaluate((one) => one.contains(document.activeElement)), true);
  await listener.press('button', 'Join the stage');
  await listener.hears(/^You are on stage, muted/, 'assertive');
  await listener.standsOn('button', 'Unmute');
});

test('the chat is heard by who is in it, and by nobody else', async () => {
  await leader.forget();
  await speaker.forget();
  await listener.press('button', /^Beside the voice/);
  await host.page.getByRole('textbox', { name: 'Write a message' }).focus();
  const write = bob.page.getByRole('textbox', { name: 'Write a message' });
  await write.fill('Which lamp is that?');
  await write.press('Enter');
  await listener.hears('Sent');
  await listener.standsOn('textbox', 'Write a message');
  await leader.hears('Bob: Which lamp is that?');
  await ann.page.getByRole('log', { name: 'Chat' }).getByText('Which lamp is that?').waitFor();
  assert.deepEqual((await speaker.said()).filter((one) => one.text.includes('lamp')), []);
  await listener.press('button', 'Delete the message of Bob');
  await bob.page.getByText('Nobody has written yet.').waitFor();
  await listener.standsOn('log', 'Chat');
  await closeSheet(listener);
  await listener.standsOn('button', /^Beside the voice/);
});

test('a lost connection is told, and its return', async () => {
  await server.kill('SIGKILL');
  await speaker.hears(/^Reconnecting…/);
  await server.start();
  await speaker.hears('Connected again.');
});

test('who was removed is told why; who removed them can undo it by the keyboard', async () => {
  await host.face('Bob').waitFor();
  await listener.hears('Connected again.');
  await leader.forget();
  await leader.press('button', /^Bob/);
  await leader.press('button', 'Remove from room');
  await leader.standsOn('dialog', 'Remove Bob?');
  await host.page.getByLabel('Off topic, does not let others speak').check();
  await leader.press('button', 'Remove');
  await listener.hears(/^You were removed from this room\. Reason: Off topic/, 'assertive');
  await listener.standsOn('button', 'To the hallway');
  await leader.hears('Bob was removed. Undo: press F8');
  await host.page.keyboard.press('F8');
  await leader.standsOn('button', 'Undo');
  await host.page.keyboard.press('Enter');
  await leader.hears('Bob may come back');
});

test('the end of the room is told to everybody, who stand on the way out', async () => {
  await speaker.forget();
  await leader.press('button', 'Room menu');
  await leader.press('button', 'End room');
  await leader.press('button', 'End room');
  await speaker.hears(/^The room has ended/, 'assertive');
  await speaker.standsOn('button', 'To the hallway');
  await ann.page.keyboard.press('Enter');
  await speaker.standsOn('heading', 'Who is talking');
});

test('no page broke its own rules', () => {
  for (const person of [host, ann, bob]) assert.deepEqual(person.errors, []);
});
