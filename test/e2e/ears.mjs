// What a screen reader is given to say: what comes into the live regions that can be heard, and what has the focus.
import assert from 'node:assert/strict';

/** In the page: keeps what comes into live regions. Those under a modal sheet, or switched off, are silent. */
function record() {
  const spoken = (globalThis.spoken = []);
  const urgencyOf = (region) => region.getAttribute('aria-live') ?? (region.getAttribute('role') === 'alert' ? 'assertive' : 'polite');
  const isCovered = (region) => {
    const sheet = [...document.querySelectorAll('dialog[open]')].at(-1);
    return sheet !== undefined && !sheet.contains(region);
  };
  new MutationObserver((changes) => {
    for (const node of changes.flatMap((change) => [...(change.type === 'characterData' ? [change.target] : change.addedNodes)])) {
      const element = node instanceof Element ? node : node.parentElement;
      const region = element?.closest('[aria-live], [role=alert], [role=status]');
      const text = (node.textContent ?? '').replaceAll('\u00a0', ' ').trim();
      if (region && text && urgencyOf(region) !== 'off' && !isCovered(region)) spoken.push({ urgency: urgencyOf(region), text });
    }
  }).observe(document, { childList: true, subtree: true, characterData: true });
}

/** Somebody who reads by ear: a person, and what their reader is given. */
export class Ears {
  /** @param {import('./person.mjs').Person} person whose pages are opened after this */
  static async on(person) {
    await person.page.addInitScript(record);
    return Object.assign(new Ears(), { person, page: person.page });
  }

  said() {
    return this.page.evaluate(() => globalThis.spoken);
  }

  /** Forgets what was said so far. */
  forget() {
    return this.page.evaluate(() => void (globalThis.spoken.length = 0));
  }

  /** Waits until that is said, in that manner; what was said before counts, and is forgotten. It must not have been said twice. */
  async hears(text, urgency = 'polite') {
    const is = text instanceof RegExp ? { source: text.source } : { text };
    const matches = await this.page.waitForFunction(({ source, text, urgency }) => {
      const found = globalThis.spoken.filter((one) => one.urgency === urgency && (source ? new RegExp(source).test(one.text) : one.text === text));
      return found.length > 0 && found.map((one) => one.text);
    }, { ...is, urgency }).then((handle) => handle.jsonValue()).catch(async (error) => {
      throw new Error(`${this.person.name} does not hear “${text}” (${urgency}), but ${JSON.stringify(await this.said())}`, { cause: error });
    });
    const all = await this.said();
    assert.equal(all.filter((one) => matches.includes(one.text)).length, 1, `said more than once: ${JSON.stringify(all)}`);
    await this.forget();
  }

  /** Waits until the focus stands on that. */
  async standsOn(role, name) {
    const wanted = this.page.getByRole(role, { name, exact: typeof name === 'string' });
    for (const deadline = Date.now() + 90000; ; await new Promise((done) => setTimeout(done, 50))) {
      if (await wanted.evaluateAll((found) => found.includes(document.activeElement))) return;
      assert.ok(Date.now() < deadline, `${this.person.name} stands not on the ${role} “${name}”, but on ${await this.focused()}`);
    }
  }

  focused() {
    return this.page.evaluate(() => {
      const { tagName, textContent } = document.activeElement ?? document.body;
      return `${tagName} “${document.activeElement?.getAttribute('aria-label') ?? textContent.trim().slice(0, 80)}”`;
    });
  }

  /** Goes to that by the keyboard, and presses it there. */
  async press(role, name) {
    const found = this.page.getByRole(role, { name, exact: typeof name === 'string' }).first();
    await found.focus();
    await this.page.keyboard.press('Enter');
  }
}
