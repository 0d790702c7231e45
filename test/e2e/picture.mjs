// Takes the pictures of docs/pictures: the real program with a few people in a room.
//   node picture.mjs [FOLDER]
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { chromium } from 'playwright-core';
import { speech } from './hosts.mjs';

const binary = resolve(process.env.BESEDKA_BIN ?? join(import.meta.dirname, '../../bin/besedka'));
const out = resolve(process.argv[2] ?? join(import.meta.dirname, '../../docs/pictures'));
const url = 'http://localhost:18080';
const names = { vera: 'Вера', tom: 'Tom', amina: 'Amina', ilya: 'Илья', noor: 'Noor', maria: 'Maria', pavel: 'Павел', june: 'June', sofia: 'София', ben: 'Ben', dasha: 'Даша', omar: 'Omar', lev: 'Лев' };
const passphrase = 'lamp river bridge voice';

const folder = mkdtempSync(join(tmpdir(), 'besedka-picture-'));
const data = join(folder, 'data');
const server = spawn(binary, ['serve', '--data', data, '--listen', '127.0.0.1:18080', '--url', url, '--media', '127.0.0.1:17882', '--metrics', ''], { stdio: 'ignore' });
const admin = (args, input) => execFileSync(binary, ['admin', ...args, '--data', data], { input, stdio: ['pipe', 'pipe', 'ignore'] }).toString().trim().split('\n').pop();

async function ready() {
  for (let i = 0; i < 100; i++) {
    if (await fetch(`${url}/healthz`).then((r) => r.ok, () => false)) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error('the server did not start');
}

const call = async (token, method, path, body) => {
  const headers = { Authorization: `Bearer ${token}`, ...(body ? { 'Content-Type': 'application/json' } : {}) };
  const answer = await fetch(url + '/api/v1' + path, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? null : answer.json();
};

async function visit(browser, username, options) {
  const context = await browser.newContext({ ...options, permissions: ['microphone'] });
  const page = await context.newPage();
  await page.goto(url + '/sign-in');
  await page.getByLabel(/^(Username|Имя пользователя)/).fill(username);
  await page.getByLabel(/^(Passphrase|Парольная фраза)$/).fill(passphrase);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: /^(Who is talking|Кто разговаривает)$/ }).waitFor();
  return { page };
}

try {
  await ready();
  mkdirSync(out, { recursive: true });
  const people = {};
  for (const [username, name] of Object.entries(names)) {
    const account = admin(['account', 'create', '--username', username, '--name', name], passphrase);
    people[username] = { account, token: admin(['token', 'create', '--username', username]) };
  }
  const as = (username) => (method, path, body) => call(people[username].token, method, path, body);
  const quiet = await as('omar')('POST', '/rooms', { title: 'Как мы читаем стихи вслух', kind: 'open' });
  await as('dasha')('PUT', `/rooms/${quiet.id}/seat`);
  const social = await as('ben')('POST', '/rooms', { title: 'Night shift at the observatory', kind: 'open', guests_allowed: true });
  await as('sofia')('PUT', `/rooms/${social.id}/seat`);

  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-quic',
    '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream',
    `--use-file-for-fake-audio-capture=${speech(folder, 'speech', 'en', 'Tonight we speak about rivers and bridges and how a town finds its voice and keeps it.')}`] });
  const { page } = await visit(browser, 'vera', { locale: 'en-GB', viewport: { width: 1280, height: 800 }, deviceScaleFactor: 1.5 });
  await page.getByRole('button', { name: 'Start a room' }).click();
  await page.getByLabel(/What is it about/).fill('How a town finds its voice');
  await page.getByRole('button', { name: 'Let’s go' }).click();
  await page.waitForURL(/\/rooms?\//);
  const room = new URL(page.url()).pathname.split('/').pop();
  for (const username of ['tom', 'amina', 'ilya', 'noor', 'maria', 'pavel', 'june']) await as(username)('PUT', `/rooms/${room}/seat`);
  for (const username of ['amina', 'ilya']) {
    await as('vera')('POST', `/rooms/${room}/stage-invitations`, { account: people[username].account });
    await as(username)('POST', `/rooms/${room}/stage-invitations/accept`);
  }
  await as('vera')('PUT', `/rooms/${room}/participants/${people.tom.account}/role`, { role: 'moderator' });
  await as('tom')('PUT', `/accounts/${people.noor.account}/follow`);
  await as('amina')('PUT', `/accounts/${people.maria.account}/follow`);
  await as('june')('PUT', `/rooms/${room}/hand`, { note: 'Bells, and who rings them' });
  await as('ilya')('POST', `/rooms/${room}/messages`, { text: 'А у нас колокола слышно за рекой' });
  await as('maria')('POST', `/rooms/${room}/messages`, { text: 'We recorded the ferry horn last spring' });
  await as('vera')('POST', `/rooms/${room}/messages`, { text: 'Июнь, поднимайтесь к нам, расскажите' });
  await page.getByRole('button', { name: 'Unmute', exact: true }).first().click();
  await page.locator('[data-speaking]').first().waitFor();
  await page.screenshot({ path: join(out, 'room.png') });
  const phone = await visit(browser, 'lev', { locale: 'ru-RU', viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, colorScheme: 'dark' });
  await phone.page.getByRole('link', { name: /How a town/ }).waitFor();
  await phone.page.screenshot({ path: join(out, 'hallway-phone.png') });
  await phone.page.getByRole('link', { name: /How a town/ }).click();
  await phone.page.getByRole('button', { name: /^Рядом с голосом/ }).click();
  await phone.page.getByText('за рекой').waitFor();
  await phone.page.waitForTimeout(400); // the sheet has risen
  await phone.page.screenshot({ path: join(out, 'room-phone.png') });
  await browser.close();
} finally {
  server.kill('SIGTERM');
  rmSync(folder, { recursive: true, force: true });
}
