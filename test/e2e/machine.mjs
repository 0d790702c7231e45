// How busy the machine was: what a measurement on it is worth.
import { readFileSync } from 'node:fs';
import { loadavg } from 'node:os';

/** Ticks of all processors together, by what they were spent on, and the time in which somebody waited for one. */
function read() {
  const [user, nice, system, idle, iowait, irq, softirq, steal] = readFileSync('/proc/stat', 'utf8').split('\n')[0].split(/\s+/).slice(1).map(Number);
  const busy = user + nice + system + irq + softirq;
  let waited;
  try {
    waited = Number(readFileSync('/proc/pressure/cpu', 'utf8').match(/^some .*total=(\d+)/m)?.[1]); // µs
  } catch {
    waited = NaN; // a kernel without it
  }
  return { at: Date.now(), busy, steal, all: busy + idle + iowait + steal, waited };
}

/** Begins to watch; what it returns tells of the time since. */
export function watchMachine() {
  const from = read();
  return () => {
    const to = read();
    const share = (x) => `${((100 * x) / (to.all - from.all)).toFixed(0)} %`;
    const waited = (to.waited - from.waited) / 10 / (to.at - from.at);
    return `processors ${share(to.busy - from.busy)} busy, ${share(to.steal - from.steal)} stolen` +
      `${Number.isNaN(waited) ? '' : `, somebody waiting for one ${waited.toFixed(0)} % of the time`}, load average ${loadavg()[0].toFixed(1)}`;
  };
}
