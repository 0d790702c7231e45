// Somebody at a browser: finds everything by role and name, as a screen reader does.
import { launch } from './browsers.mjs';
import { keepConnections } from './hear.mjs';

const passphrase = 'lamp river bridge voice';
/** How long a page may take for anything, in milliseconds: the machine may be slow and busy. */
const patience = 90000;

export class Person {
  /** Opens a browser as that guest; what they say into the microphone is the WAV file, over and over. See browsers.mjs. */
  static async arrive(hosts, server, guest, { username, name, locale = 'en-GB', viewport = { width: 1280, height: 800 }, secure = [], ...how }) {
    const { browser, permissions } = await launch(hosts, guest, { ...how, secure: [server.url(guest), ...secure] });
    return Person.sit({ browser, guest, username, name, server, options: { locale, viewport, permissions } });
  }

  /** Opens a page that knows nobody yet, in a browser that is there. */
  static async sit({ browser, guest, username, name, server, options }) {
    const context = await browser.newContext(options);
    await context.addInitScript(keepConnections);
    context.setDefaultTimeout(patience);
    const page = await context.newPage();
    const person = Object.assign(new Person(), { browser, page, guest, username, name, server, options, errors: [] });
    if (process.env.BESEDKA_TRACE) page.on('response', (r) => r.request().method() !== 'GET' && console.log(`# ${guest} ${r.request().method()} ${new URL(r.url()).pathname} ${r.status()} ${r.request().postData()?.slice(0, 80) ?? ''}`));
    page.on('pageerror', (error) => person.errors.push(String(error)));
    page.on('console', (line) => line.type() === 'error' && /Content Security Policy|Trusted/.test(line.text()) && person.errors.push(line.text()));
    return person;
  }

  button(name) {
    return this.page.getByRole('button', { name, exact: typeof name === 'string' });
  }

  async open(path) {
    await this.page.goto(this.server.url(this.guest) + path);
  }

  /** Signs up with an invitation's path and comes to the hallway. */
  async join(path) {
    await this.open(path);
    await this.page.getByLabel('Name', { exact: true }).fill(this.name);
    await this.page.getByLabel('Username').fill(this.username);
    await this.page.getByLabel('Passphrase', { exact: true }).fill(passphrase);
    await this.button('Join Besedka').click();
    await this.page.getByRole('heading', { name: 'Who is talking' }).waitFor();
  }

  /** Makes an invitation in the client and gives the path of its link. */
  async invite() {
    await this.open('/invitations');
    await this.button('Create an invitation').click();
    const link = await this.page.getByLabel('Invitation link').inputValue();
    return new URL(link).pathname;
  }

  /** Somebody else at the same computer, whom no server knows. */
  another() {
    return Person.sit({ ...this, username: 'nobody', name: 'Nobody' });
  }

  async startRoom(title, { guests = false } = {}) {
    await this.open('/');
    await this.button('Start a room').click();
    await this.page.getByLabel(/What is it about/).fill(title);
    if (guests) await this.page.getByLabel(/^Guests may listen/).check();
    await this.button('Let’s go').click();
    await this.page.getByRole('heading', { name: title }).waitFor();
  }

  async enter(title) {
    await this.open('/');
    await this.page.getByRole('link', { name: `Join ${title}` }).click();
    await this.page.getByRole('heading', { name: title }).waitFor();
  }

  face(name) {
    return this.page.getByRole('button', { name: new RegExp(`^${name}`) });
  }

  /** Waits until the face of that person rings. */
  async seesRinging(name) {
    await this.face(name).locator('[data-speaking]').waitFor();
  }

  /** Raises a hand, and the moderator brings them up: on stage, and muted. */
  async comesUp(moderator) {
    await this.button('Raise hand').click();
    await this.page.getByRole('dialog').getByRole('button', { name: 'Raise hand' }).click();
    await moderator.button(`Bring up ${this.name}`).click();
    await this.page.getByText('You are on stage, and muted').waitFor();
  }

  async leaveBrowser() {
    await this.browser.close();
  }
}
