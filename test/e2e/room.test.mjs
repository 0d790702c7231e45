// What people do with one another in a room and beside it, by keyboard and by roles and names, as a screen reader finds them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { Hosts } from './hosts.mjs';
import { Person } from './person.mjs';
import { Server } from './server.mjs';
import { witness } from './witness.mjs';

const title = 'Bridges that sing';

let hosts, server, host, ann, bob;

witness(() => [host, ann, bob]);

before(async () => {
  hosts = new Hosts(['a', 'b', 'c']);
  hosts.open();
  server = new Server(hosts);
  await server.start();
  host = await Person.arrive(hosts, server, 'a', { username: 'host', name: 'Host' });
  ann = await Person.arrive(hosts, server, 'b', { username: 'ann', name: 'Ann' });
  bob = await Person.arrive(hosts, server, 'c', { username: 'bob', name: 'Bob', viewport: { width: 390, height: 844 } });
  await host.join(server.ownerPath());
  const invitations = [await host.invite(), await host.invite()];
  await ann.join(invitations[0]);
  await bob.join(invitations[1]);
});

after(async () => {
  for (const person of [host, ann, bob]) await person?.leaveBrowser().catch(() => {});
  await server?.kill();
  hosts?.close();
});

/** Presses something as the keyboard does: it takes the focus, then Enter. */
async function press(person, name, { role = 'button', within = person.page } = {}) {
  const found = within.getByRole(role, { name, exact: typeof name === 'string' }).first();
  await found.focus();
  await found.press('Enter');
}

const sheet = (person) => person.page.getByRole('dialog');
const sees = (person, text) => person.page.getByText(text).first().waitFor();

async function closeSheet(person) {
  await person.page.keyboard.press('Escape');
  await sheet(person).waitFor({ state: 'detached' });
}

/** Opens a sheet by the menu of the room. */
async function menu(person, item) {
  await press(person, 'Room menu');
  await press(person, item, { within: sheet(person) });
}

/** Opens what is beside the voice, at one of its tabs, by the arrow keys. On a wide page it stands there already. */
async function beside(person, tab) {
  if ((await person.page.getByRole('tablist').count()) === 0) await press(person, /^Beside the voice/);
  await person.page.getByRole('tablist').waitFor();
  const wanted = person.page.getByRole('tab', { name: new RegExp(`^${tab}`), selected: true });
  for (let step = 0; (await wanted.count()) === 0; step++) {
    assert.ok(step < 8, `no tab ${tab}`);
    await person.page.getByRole('tab', { selected: true }).press('ArrowRight');
  }
}

/** Waits until the room, as that person's client is told of it, is as asked for. */
async function roomBecomes(person, isReached) {
  for (const deadline = Date.now() + 90000; ; await new Promise((done) => setTimeout(done, 100))) {
    const room = await person.page.evaluate(() => fetch(`/api/v1${location.pathname}`).then((answer) => answer.json()));
    if (isReached(room)) return;
    assert.ok(Date.now() < deadline, JSON.stringify(room).slice(0, 600));
  }
}

/** A picture of one colour as a PNG file. */
function png(size) {
  const chunk = (kind, data) => {
    const body = Buffer.concat([Buffer.from(kind, 'latin1'), data]);
    const out = Buffer.alloc(body.length + 8);
    out.writeUInt32BE(data.length, 0);
    body.copy(out, 4);
    let crc = -1;
    for (const byte of body) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
    out.writeUInt32BE(~crc >>> 0, out.length - 4);
    return out;
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const rows = Buffer.alloc(size * (1 + 3 * size), 0x90);
  for (let y = 0; y < size; y++) rows[y * (1 + 3 * size)] = 0;
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', header), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))]);
}

test('a profile gets a photo and words, which others see', async () => {
  await ann.open('/@ann');
  await press(ann, 'Edit profile');
  const choosing = ann.page.waitForEvent('filechooser');
  await press(ann, 'Add a photo', { within: sheet(ann) });
  const refused = ann.page.waitForResponse((answer) => answer.url().endsWith('/me/photo') && answer.status() === 422);
  await (await choosing).setFiles({ name: 'me.png', mimeType: 'image/png', buffer: png(4000) });
  await refused; // too large for the server: the browser makes it smaller
  await ann.button('Change the photo').waitFor();
  await sheet(ann).getByLabel('About you').fill('I listen to bridges.');
  await press(ann, 'Save', { within: sheet(ann) });
  await sheet(ann).waitFor({ state: 'detached' });
  await bob.open('/@ann');
  await sees(bob, 'I listen to bridges.');
  await bob.page.waitForFunction(() => [...document.images].some((image) => image.src.includes('/photos/') && image.complete && image.naturalWidth > 0));
});

test('who follows somebody and wants to be told always is told when they start a room', async () => {
  await bob.open('/@host');
  await press(bob, 'Follow');
  await bob.page.getByRole('button', { name: 'Following', pressed: true }).waitFor();
  const bell = bob.page.getByRole('combobox', { name: 'What to be told of' });
  await bell.waitFor();
  const told = bob.page.waitForResponse((response) => response.url().endsWith('/bell'));
  await bell.selectOption({ label: 'Tell me always' });
  assert.equal((await told).status(), 204);
  await host.open('/');
  await press(host, 'Start a room');
  await sheet(host).getByLabel(/What is it about/).fill(title);
  await sheet(host).getByText('More settings').press('Enter');
  await sheet(host).getByRole('radio', { name: 'On background' }).check();
  await sheet(host).getByRole('combobox', { name: 'Who is next' }).selectOption({ label: 'First-timers first' });
  await press(host, 'Let’s go', { within: sheet(host) });
  await host.page.getByRole('heading', { name: title }).waitFor();
  await sees(host, 'On background');
  await bob.page.getByRole('region', { name: 'Notices' }).getByText(`Host started “${title}”`).waitFor();
});

test('somebody is pinged into the room, and told by whom', async () => {
  await ann.open('/');
  await ann.page.getByRole('link', { name: `Join ${title}` }).waitFor();
  await press(host, 'Invite people in');
  await sheet(host).getByRole('searchbox').fill('ann');
  await press(host, 'Ping Ann', { within: sheet(host) });
  await sheet(host).getByRole('button', { name: 'Pinged' }).waitFor();
  await closeSheet(host);
  await ann.page.getByRole('dialog', { name: `Host invites you into “${title}”` }).waitFor();
  await press(ann, 'Join room');
  await ann.page.getByRole('heading', { name: title }).waitFor();
  await ann.button('Leave quietly').waitFor(); // the first who comes is on stage
  await host.face('Ann, speaker').waitFor();
});

test('a room is shared in the hallways of followers, with words, and taken back', async () => {
  await bob.open('/');
  await bob.page.getByRole('link', { name: `Join ${title}` }).waitFor();
  await menu(host, 'Share the room');
  await sheet(host).getByRole('textbox', { name: 'Share in the hallway' }).fill('Come and hear them');
  await press(host, 'Share with my followers', { within: sheet(host) });
  await sheet(host).getByText('Shared in the hallway').waitFor();
  await bob.page.getByRole('listitem').filter({ hasText: 'Host shares: Come and hear them' }).first().waitFor();
  await press(host, 'Take it back', { within: sheet(host) });
  await bob.page.getByText('Come and hear them').waitFor({ state: 'detached' });
  await closeSheet(host);
});

test('a room is hidden from the hallway, and shown again by undoing it', async () => {
  await bob.open('/');
  const card = bob.page.getByRole('link', { name: `Join ${title}` });
  await card.waitFor();
  await press(bob, `Hide “${title}”`);
  await card.waitFor({ state: 'detached' });
  await press(bob, 'Undo');
  await card.waitFor();
  await card.focus();
  await card.press('Enter');
  await bob.page.getByRole('heading', { name: title }).waitFor();
  await bob.button('Raise hand').waitFor();
});

test('what the stage has not agreed to does not change; what everybody agrees to does', async () => {
  await menu(host, 'Settings of the room');
  await sheet(host).getByRole('radio', { name: 'Chatham House' }).check();
  await press(host, 'Ask everyone on stage', { within: sheet(host) });
  await sees(ann, 'Host asks: from now on “Chatham House”?');
  await press(ann, 'No');
  await ann.button('I agree').waitFor({ state: 'detached' });
  await sees(host, 'Somebody did not agree: all stays as it was');
  await menu(host, 'Settings of the room');
  await sheet(host).getByRole('radio', { name: 'Chatham House' }).check();
  await press(host, 'Ask everyone on stage', { within: sheet(host) });
  await press(ann, 'I agree');
  await ann.button('I agree').waitFor({ state: 'detached' });
  await bob.page.getByText('Chatham House', { exact: true }).waitFor();
});

test('a link is pinned for everybody and taken off again', async () => {
  await menu(host, 'Pin a link');
  await sheet(host).getByLabel('Address').fill('example.invalid/rivers');
  await press(host, 'Pin', { within: sheet(host) });
  const pin = bob.page.getByRole('link', { name: /example\.invalid/ });
  await pin.waitFor();
  assert.equal(await pin.getAttribute('href'), 'https://example.invalid/rivers');
  await menu(host, 'Pin a link');
  await press(host, 'Take it off', { within: sheet(host) });
  await pin.waitFor({ state: 'detached' });
});

test('an agenda says where the room is', async () => {
  await beside(host, 'Agenda');
  await press(host, 'Write an agenda');
  await host.page.getByRole('textbox', { name: 'Agenda' }).fill('- Why bridges sing\n- Which of them');
  await press(host, 'Save');
  await host.page.getByRole('listitem').filter({ hasText: 'Which of them' }).getByRole('button', { name: 'Now' }).press('Enter');
  await bob.button('Which of them').waitFor();
  await press(bob, 'Which of them');
  await bob.page.getByRole('listitem').filter({ hasText: 'Which of them' }).and(bob.page.locator('[aria-current=step]')).waitFor();
  await closeSheet(bob);
});

test('what somebody writes is read by the others, and gone when it is deleted', async () => {
  await beside(ann, 'Chat');
  await ann.page.getByRole('textbox', { name: 'Write a message' }).fill('Which bridge was that?');
  await ann.page.keyboard.press('Enter');
  await beside(host, 'Chat');
  const said = host.page.getByRole('log', { name: 'Chat' }).getByText('Which bridge was that?');
  await said.waitFor();
  await press(host, 'Delete the message of Ann');
  await said.waitFor({ state: 'detached' });
  await ann.page.getByRole('log', { name: 'Chat' }).getByText('Which bridge was that?').waitFor({ state: 'detached' });
});

test('a question is voted for and answered, with its asker invited on stage', async () => {
  await beside(bob, 'Questions');
  await bob.page.getByRole('textbox', { name: 'Ask a question' }).fill('Who tunes a bridge?');
  await bob.page.keyboard.press('Enter');
  await sees(bob, 'Who tunes a bridge?');
  await beside(ann, 'Questions');
  await sees(ann, 'Who tunes a bridge?');
  await press(ann, /^Vote for it/);
  await ann.page.getByRole('button', { name: 'Vote for it; 1 vote', pressed: true }).waitFor();
  await beside(host, 'Questions');
  await host.page.getByRole('button', { name: 'Vote for it; 1 vote' }).waitFor();
  await press(host, 'Answer now');
  await host.button('Answered').waitFor();
  await bob.page.getByRole('dialog', { name: 'Host invites you to join as a speaker' }).waitFor();
  await press(bob, 'Maybe later');
  await press(host, 'Answered');
  await host.button('Answered').waitFor({ state: 'detached' });
  if ((await bob.page.getByRole('tablist').count()) > 0) await closeSheet(bob);
});

test('a poll shows what people chose', async () => {
  await beside(host, 'Polls');
  await press(host, 'Ask the room');
  await host.page.getByRole('textbox', { name: 'Question', exact: true }).fill('Iron or wood?');
  await host.page.getByRole('textbox', { name: 'Answer 1' }).fill('Iron');
  await host.page.getByRole('textbox', { name: 'Answer 2' }).fill('Wood');
  await press(host, 'Open the poll');
  await beside(ann, 'Polls');
  await ann.page.getByRole('group', { name: 'Iron or wood?' }).getByRole('radio', { name: /Wood/ }).check();
  await host.page.getByRole('group', { name: 'Iron or wood?' }).getByText('1 vote').waitFor();
  await press(host, 'Close the poll');
  await ann.page.getByRole('group', { name: 'Iron or wood?' }).getByText('closed').waitFor();
});

test('reactions from the audience are seen by others', async () => {
  await host.page.evaluate(() => {
    window.glyphs = new Set();
    new MutationObserver((changes) => changes.forEach((change) => change.addedNodes.forEach((node) => node.dataset?.glyph && window.glyphs.add(node.dataset.glyph))))
      .observe(document.body, { childList: true, subtree: true });
  });
  await press(bob, 'React');
  await press(bob, 'Applause');
  await host.page.waitForFunction(() => window.glyphs.has('👏'));
  await bob.page.keyboard.press('Escape');
  await bob.button('Applause').waitFor({ state: 'detached' });
});

test('a turn on stage is limited, and everybody knows', async () => {
  await press(host, /^Ann, speaker/);
  await press(host, 'Limit the turn', { within: sheet(host) });
  const set = host.page.waitForResponse((response) => response.url().endsWith('/timer'));
  await press(host, '1 min');
  assert.equal((await set).status(), 204);
  await roomBecomes(host, (room) => room.timer?.seconds === 60);
  await press(host, /^Ann, speaker/);
  await press(host, 'Limit the turn', { within: sheet(host) });
  await press(host, 'No limit any more', { within: sheet(host) });
  await roomBecomes(host, (room) => room.timer === null);
});

test('what moderators did stands in a log that everybody can read', async () => {
  await menu(bob, 'What moderators did');
  await sees(bob, 'limited a turn');
  await sees(bob, 'pinned a link');
  await closeSheet(bob);
});

test('a speaker link brings somebody on stage by one tap', async () => {
  await menu(host, 'Speaker links');
  await press(host, 'Make a link', { within: sheet(host) });
  const link = new URL(await sheet(host).getByText(/\/speak\//).first().innerText());
  await closeSheet(host);
  await press(bob, 'Leave quietly');
  await bob.page.getByRole('heading', { name: 'Who is talking' }).waitFor();
  await bob.open(link.pathname + link.hash);
  await press(bob, 'Go on stage');
  await bob.button('Unmute').first().waitFor();
  await host.face('Bob, speaker').waitFor();
});

test('a social room opens to everyone after a warning, unless a moderator stops it', async () => {
  await press(host, 'Leave quietly');
  await press(host, 'Hand over to Ann and leave', { within: sheet(host) });
  await host.page.getByRole('heading', { name: 'Who is talking' }).waitFor();
  await press(host, 'Start a room');
  await sheet(host).getByRole('radio', { name: 'Social' }).check();
  await sheet(host).getByLabel(/What is it about/).fill('Among friends');
  await press(host, 'Let’s go', { within: sheet(host) });
  await host.page.getByRole('heading', { name: 'Among friends' }).waitFor();
  await menu(host, 'Settings of the room');
  await press(host, 'Open to everyone', { within: sheet(host) });
  await press(host, 'Stop');
  await host.button('Stop').waitFor({ state: 'detached' });
  assert.equal(await host.page.evaluate(() => fetch(`/api/v1${location.pathname}`).then((r) => r.json()).then((room) => room.kind)), 'social');
  await menu(host, 'Settings of the room');
  await press(host, 'Open to everyone', { within: sheet(host) });
  await sees(host, 'Host opens this room to everyone');
  await roomBecomes(host, (room) => room.kind === 'open');
  await ann.open('/');
  await ann.page.getByRole('link', { name: 'Join Among friends' }).waitFor();
});

test('who is blocked finds neither who blocked them nor their rooms, and does after it is lifted', async () => {
  await host.open('/@ann');
  await press(host, 'Block');
  await press(host, 'Block', { within: sheet(host) });
  await host.button('Unblock').waitFor();
  await ann.open('/@host');
  await sees(ann, 'There is nothing more to see here.');
  await ann.open('/');
  await ann.page.getByRole('link', { name: `Join ${title}` }).waitFor(); // the hallway is there, with what she may see
  assert.equal(await ann.page.getByRole('link', { name: 'Join Among friends' }).count(), 0);
  await press(host, 'Unblock');
  await host.button('Block').waitFor();
  await ann.open('/');
  await ann.page.getByRole('link', { name: 'Join Among friends' }).waitFor();
});

test('no page broke its own rules', () => {
  for (const person of [host, ann, bob]) assert.deepEqual(person.errors, []);
});
