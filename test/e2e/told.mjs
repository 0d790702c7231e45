// What everybody in a room is told, as somebody's page hears it.

/** Notes in the page what everybody in the room is told, from when nothing more is told of those who came before. */
export async function watchRoster(person) {
  await person.page.evaluate(async () => {
    window.told = [];
    const room = location.pathname.split('/').pop();
    window.there = (await (await fetch(`/api/v1/rooms/${room}`)).json()).counts.all;
    const events = new EventSource(`/api/v1/events?room=${room}`);
    events.onmessage = ({ data }) => {
      window.told.push(JSON.parse(data));
      window.lastTold = performance.now();
    };
  });
  await person.page.waitForFunction(() => window.told.some(({ kind }) => kind === 'hello') && performance.now() - window.lastTold > 2000);
  await person.page.evaluate(() => (window.told = []));
}

/**
 * What the room was told since. That the list of rooms looks different is said to everybody, and of any room; that as many are there as before
 * is said whenever speaking time is noted.
 */
export function told(person) {
  return person.page.evaluate(() => window.told.filter(({ kind, data }) => kind !== 'hallway_changed' && !(kind === 'participants_changed' && data.counts.all === window.there)));
}
