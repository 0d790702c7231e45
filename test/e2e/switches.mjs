// What browsers conceal when packets become longer and short again, many times over, beside a session in the same page that
// gets 20 ms throughout: what befalls both is the machine's fault, so those count that are alone, with nothing concealed in
// the other session within a second. Prints which lengths came, and a Markdown table. Not a test: `make switches`.
//
// An audience that is large enough gets 120 ms, step by step, and one that has become small 20 again, step by step: five steps
// of two seconds and more each way, so a cycle takes half a minute.
//
//   node switches.mjs [--minutes 10] [--cycle 36] [--engines chromium,firefox]
import { parseArgs } from 'node:util';
import { Crowd } from './crowd.mjs';
import { listenBeside } from './hear.mjs';
import { Hosts, speech } from './hosts.mjs';
import { watchMachine } from './machine.mjs';
import { Person } from './person.mjs';
import { Server } from './server.mjs';
import { alone, buffered, concealments, grown, keepLengths, keepStatistics, lengths, statistics } from './statistics.mjs';

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' }, cycle: { type: 'string', default: '36' }, engines: { type: 'string', default: 'chromium,firefox' },
  },
});
const title = 'Lanterns on the river';
const engines = options.engines.split(',');
const cycle = 1000 * Number(options.cycle);
const end = 60000 * Number(options.minutes);
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** Which lengths of packets came, how often they changed, and the ways up and down that were gone most often. */
function ways(seen) {
  if (!seen.length) return 'nothing came';
  const gone = new Map();
  for (let from = 0, i = 1; i <= seen.length; i++) {
    const hasTurned = i === seen.length || (i > from + 1 && seen[i] > seen[i - 1] !== seen[i - 1] > seen[i - 2]);
    if (!hasTurned) continue;
    const way = seen.slice(from, i).join(' → ');
    gone.set(way, (gone.get(way) ?? 0) + 1);
    from = i - 1;
  }
  const often = [...gone].sort(([, a], [, b]) => b - a).slice(0, 4).map(([way, times]) => `${times} × ${way}`);
  return `packets of ${[...new Set(seen)].sort((a, b) => a - b).join(', ')} ms, ${seen.length - 1} switches: ${often.join('; ')}${gone.size > 4 ? '; others' : ''}`;
}

const hosts = new Hosts(['a', ...engines.map((_, i) => 'bcd'[i])]);
const open = [];
try {
  hosts.open();
  const says = speech(hosts.folder, 'english', 'en', 'One after another the lamps are lit along the river, and the town begins to talk of bridges, of boats, and of the old song that nobody sings to its end.');
  const sessions = 1 + 2 * engines.length; // the host's, and two in each listener's page
  const large = Math.floor(sessions * 1.25) + 1; // without the crowd it is more than a fifth smaller
  process.env.BESEDKA_LONG_PACKETS = `${large},${large},${large}`;
  const server = new Server(hosts);
  await server.start();
  open.push(() => server.kill());
  const host = await Person.arrive(hosts, server, 'a', { username: 'host', name: 'Host', says });
  open.push(() => host.leaveBrowser());
  const listeners = [];
  for (const [i, engine] of engines.entries()) {
    listeners.push(await Person.arrive(hosts, server, 'bcd'[i], { username: engine, name: engine, engine }));
    open.push(() => listeners[i].leaveBrowser());
  }
  await host.join(server.ownerPath());
  const invitations = [];
  for (let i = 0; i <= engines.length; i++) invitations.push(await host.invite());
  await host.startRoom(title, { guests: true });
  await host.button('Unmute').first().click();
  await host.button('Mute').waitFor();
  const first = await Person.sit({ ...host, username: 'other', name: 'Other' });
  await first.join(invitations.pop());
  await first.enter(title); // the first to come is on stage, the next ones in the audience
  for (const listener of listeners) {
    await listener.join(invitations.pop());
    await listener.enter(title);
    await listener.button('Raise hand').waitFor();
    await listenBeside(listener.page, 20);
  }
  const room = host.page.url();
  await first.button('Leave quietly').click();
  await first.button('Leave quietly').waitFor({ state: 'detached' });
  await first.page.goto(room.replace(/\/[^/]+$/, '/')).catch(() => {});
  const crowd = new Crowd(first.page);
  crowd.room = new URL(room).pathname.split('/').pop();
  await pause(10000); // the jitter buffers learn, and the audience is small again
  for (const listener of listeners) {
    await keepStatistics(listener.page);
    await keepLengths(listener.page);
  }
  const machine = watchMachine();
  const begin = Date.now();
  let cycles = 0;
  for (; Date.now() - begin < end - cycle / 2 || cycles === 0; cycles++) {
    await crowd.come(large - sessions);
    await pause(cycle / 2);
    await crowd.go();
    await pause(cycle / 2);
  }
  console.log(`${cycles} cycles in ${((Date.now() - begin) / 1000).toFixed(0)} s; ${machine()}\n`);
  for (const [i, engine] of engines.entries()) {
    for (const name of ['', 'beside']) console.log(`* ${engine}${name && ' beside'}: ${ways(await lengths(listeners[i].page, name))}`);
  }
  console.log('');
  console.log('| listener | packets | lost | concealments | of them alone | of all sound | of it silence | stretched | shortened | jitter buffer |\n|---|---|---|---|---|---|---|---|---|---|');
  for (const [i, engine] of engines.entries()) {
    const both = [await statistics(listeners[i].page), await statistics(listeners[i].page, 'beside')];
    both.forEach((kept, k) => {
      const d = grown(kept);
      const share = (n) => `${((100 * n) / d.totalSamplesReceived).toFixed(3)} %`;
      const events = concealments(kept);
      console.log(`| ${engine}, ${k ? '20 ms throughout' : 'switched'} | ${d.packetsReceived} | ${d.packetsLost} | ${d.concealmentEvents} | ${alone(events, concealments(both[1 - k])).length} | ` +
        `${share(d.concealedSamples)} | ${share(d.silentConcealedSamples)} | ${share(d.insertedSamplesForDeceleration)} | ${share(d.removedSamplesForAcceleration)} | ${buffered(d)} ms |`);
    });
  }
} finally {
  for (const close of open.reverse()) await Promise.resolve(close()).catch(() => {});
  hosts.close();
}
