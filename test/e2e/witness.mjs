// What everybody saw when a test ended: in the report if it failed, and as pictures for whoever sets BESEDKA_SHOTS to a folder.
import { afterEach } from 'node:test';

/** Looks at those people's pages after each test of the file. @param {() => (import('./person.mjs').Person | undefined)[]} people */
export function witness(people) {
  afterEach(async (t) => {
    for (const person of people()) {
      if (!person) continue;
      if (t.passed === false) console.log(await lines(person, t.name));
      if (!process.env.BESEDKA_SHOTS) continue;
      await person.page.screenshot({ path: `${process.env.BESEDKA_SHOTS}/${t.name.slice(0, 30).replaceAll(' ', '-')}-${person.username}.png` });
    }
  });
}

async function lines(person, test) {
  const page = await person.page.locator('body').ariaSnapshot({ timeout: 5000 }).catch((error) => String(error));
  return [`what ${person.name} saw at the end of “${test}”, at ${person.page.url().replace(/#.*/, '')}:`, ...page.split('\n').slice(0, 80), ...person.errors].map((line) => `# ${line}`).join('\n');
}
