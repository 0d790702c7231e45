// Every page and every sheet of the client, light and dark, English and Russian, before axe with the rules of WCAG 2.2 AA.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { galleryBrowser, openGallery, visit } from './gallery.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const room = { path: '/rooms/r1' };
const led = { ...room, role: 'host' };

/** What the gallery can show, by name. `press` are keys of the catalogue; `narrow` is seen on a telephone. */
const states = {
  hallway: { path: '/' },
  'hallway on a telephone': { path: '/', narrow: true },
  'hallway without rooms': { path: '/', size: 'empty' },
  'hallway with a room at the foot': { ...room, press: 'minimise' },
  'start a room': { path: '/', press: 'start_room,start_more' },
  'start a closed room': { path: '/', press: 'start_room,kind_closed' },
  'sign in': { path: '/sign-in', stranger: '1' },
  'sign in, refused': { path: '/sign-in', stranger: '1', wrong: true },
  join: { path: '/join/code', stranger: '1' },
  'join with a dead invitation': { path: '/join/dead', stranger: '1' },
  'join as a member': { path: '/join/code' },
  'a guest’s door': { path: '/listen/r1' },
  'a speaker’s door': { path: '/speak/r1' },
  profile: { path: '/@grey_heron' },
  'somebody present': { path: '/@grey_heron', state: 'present' },
  'somebody blocked': { path: '/@grey_heron', state: 'blocked' },
  'somebody who blocked': { path: '/@grey_heron', state: 'restricted' },
  'question before a block': { path: '/@grey_heron', press: 'block' },
  followers: { path: '/@grey_heron', press: '41' },
  'own profile': { path: '/@eurasian_bullfin' },
  'edit profile': { path: '/@eurasian_bullfin', press: 'edit_profile' },
  invitations: { path: '/invitations', press: 'invitation_create' },
  settings: { path: '/settings' },
  'settings on a telephone': { path: '/settings', narrow: true },
  connection: { path: '/connection' },
  nothing: { path: '/nowhere/at/all' },
  'somebody unknown': { path: '/@nobody_at_all' },
  'a room’s door': { ...room, door: '1' },
  'a room that is gone': { path: '/rooms/gone', door: '1' },
  'a full room': { path: '/rooms/full' },
  'continue here': { ...room, door: '1', elsewhere: '1' },
  'room as a listener': room,
  'room as a listener on a telephone': { ...room, narrow: true },
  'room as a speaker': { ...room, role: 'speaker' },
  'room as a moderator': { ...room, role: 'moderator' },
  'room as the host': led,
  'room as the host on a telephone': { ...led, narrow: true },
  'room of two': { ...led, size: 'small' },
  'room of thousands': { ...room, size: 'huge' },
  ...Object.fromEntries(['invited', 'hand', 'opening', 'attribution', 'timer', 'overflow', 'barred', 'lost'].map((state) => [`room, ${state}`, { ...room, state }])),
  'room, opening, as the host': { ...led, state: 'opening' },
  'room, attribution, as a speaker': { ...room, role: 'speaker', state: 'attribution' },
  'room, silenced': { ...room, role: 'speaker', state: 'silenced' },
  'room, heir': { ...room, role: 'speaker', state: 'heir' },
  'raise a hand': { ...room, press: 'raise_hand' },
  reactions: { ...room, press: 'react' },
  menu: { ...led, press: 'room_menu' },
  'menu of a listener': { ...room, press: 'room_menu' },
  'hands on a telephone': { ...led, press: 'room_menu,hands_title', narrow: true },
  'invite people': { ...led, press: 'invite_in' },
  title: { ...led, press: 'change_title' },
  'end the room': { ...led, press: 'room_menu,end_room' },
  'hand over': { ...led, size: 'small', press: 'leave_quietly' },
  help: { ...room, press: 'room_menu,keyboard_help' },
  'settings of the room': { ...led, press: 'room_menu,room_settings' },
  log: { ...led, press: 'room_menu,room_log' },
  share: { ...led, press: 'room_menu,share_room' },
  people: { ...room, press: 'room_menu,people_here' },
  'speaker links': { ...led, press: 'room_menu,speaker_links,speaker_link_make' },
  suggested: { ...led, press: 'room_menu,suggested_speakers' },
  sound: { ...room, press: 'room_menu,sound' },
  pin: { ...led, press: 'room_menu,pin_link' },
  chat: { ...led, press: 'beside,chat_settings' },
  'chat of a listener on a telephone': { ...room, press: 'beside', narrow: true },
  questions: { ...led, press: 'beside,questions' },
  polls: { ...led, press: 'beside,polls' },
  'polls of a listener': { ...room, press: 'beside,polls' },
  agenda: { ...led, press: 'beside,agenda' },
  'agenda, being written': { ...led, press: 'beside,agenda,agenda_edit' },
  backstage: { ...led, press: 'beside,backstage' },
  'a person on stage, for the host': { ...led, press: 'face:3' },
  'a person in the audience, for the host': { ...led, press: 'face:9' },
  'a person, for a listener': { ...room, press: 'face:3' },
  'a turn': { ...led, press: 'face:3,set_timer' },
  removal: { ...led, press: 'face:9,remove_person' },
};
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
const only = process.env.BESEDKA_STATES; // a part of the names, for whoever looks at one thing

let folder, gallery, browser;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'besedka-gallery-'));
  gallery = await openGallery(folder);
  browser = await galleryBrowser();
});

after(async () => {
  await browser?.close();
  gallery?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What axe finds on the page as it is, a line for each element. */
async function violations(page) {
  const found = await page.evaluate((rules) => window.axe.run(document, { runOnly: rules, resultTypes: ['violations'] }).then((result) => result.violations), rules);
  return found.flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.target.join(' ')}: ${node.html.slice(0, 160)} — ${node.failureSummary.split('\n').slice(1).join(' ').trim().slice(0, 240)}`));
}

for (const lang of ['en', 'ru']) {
  test(`everything is accessible, light and dark, in ${{ en: 'English', ru: 'Russian' }[lang]}`, async () => {
    const found = new Map(); // the same fault in many states is told once
    const contexts = [];
    for (const viewport of [{ width: 1100, height: 800 }, { width: 360, height: 720 }]) {
      const context = await browser.newContext({ viewport, reducedMotion: 'reduce', bypassCSP: true });
      await context.addInitScript(axe);
      context.setDefaultTimeout(90000);
      contexts.push(await context.newPage());
    }
    for (const [name, { narrow, wrong, ...query }] of Object.entries(states)) {
      if (only && !name.includes(only)) continue;
      const page = contexts[narrow ? 1 : 0];
      await visit(page, gallery, { ...query, lang });
      if (wrong) {
        await page.locator('input').first().fill('heron');
        await page.locator('input[type=password]').fill('not the right one at all');
        await page.keyboard.press('Enter');
        await page.getByRole('alert').filter({ hasText: /\S/ }).first().waitFor();
      }
      for (const theme of ['light', 'dark']) {
        await page.evaluate((theme) => new Promise((done) => {
          document.documentElement.dataset.theme = theme;
          requestAnimationFrame(() => requestAnimationFrame(() => Promise.allSettled(document.getAnimations().filter((one) => one.effect.getComputedTiming().endTime < Infinity).map((one) => one.finished)).then(done)));
        }), theme);
        for (const line of await violations(page)) found.set(`${theme} ${line}`, [...(found.get(`${theme} ${line}`) ?? []), name]);
      }
    }
    for (const page of contexts) await page.context().close();
    assert.equal(found.size, 0, [...found].map(([line, names]) => `${line}\n    in ${names.slice(0, 4).join('; ')}${names.length > 4 ? ` and ${names.length - 4} more` : ''}`).join('\n'));
  });
}
