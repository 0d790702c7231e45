// A bad network between a browser and the server: starts the program of test/relay/run, in
// a network namespace if one is named, and drives it. See the Go package for what
// the conditions mean; it loses the same packets each time it has the same seed.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/**
 * @typedef {object} Conditions
 * @property {number} [loss] share of packets, 0 to 1
 * @property {{loss: number, length: number, density?: number}} [burst] share lost in bursts, their mean length in packets
 * @property {number} [delay_ms]
 * @property {number} [jitter_ms]
 * @property {boolean} [reorder]
 * @property {number} [bits_per_second]
 * @property {number} [queue_ms]
 * @property {number} [stall_ms]
 * @property {boolean} [blackhole]
 */

export class Relay {
  #process;
  #lines;
  #ended;
  #turn = Promise.resolve();

  /** @param {{binary: string, server: string, listen?: string, network?: 'udp' | 'tcp', seed?: number, namespace?: string}} options */
  constructor({ binary, server, listen = '127.0.0.1:0', network = 'udp', seed = 1, namespace }) {
    const args = ['-network', network, '-listen', listen, '-server', server, '-seed', String(seed)];
    const command = namespace ? ['ip', 'netns', 'exec', namespace, binary, ...args] : [binary, ...args];
    this.#process = spawn(command[0], command.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#process.stdin.on('error', () => {}); // it has ended: the reply, which does not come, tells
    this.#ended = new Promise((resolve) => {
      this.#process.once('close', resolve);
      this.#process.once('error', resolve);
    });
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** Waits until it listens. The state tells the address. */
  open() {
    return this.#inTurn(() => this.#reply());
  }

  /** Replaces the conditions of the directions named. @param {{up?: Conditions, down?: Conditions}} conditions */
  set(conditions) {
    return this.#say({ do: 'set', ...conditions });
  }

  /** Gives every client another source port and, if one is named, source address. @param {string} [address] */
  rebind(address) {
    return this.#say({ do: 'rebind', ...(address && { address }) });
  }

  /** Conditions, counters and clients as they are now. */
  read() {
    return this.#say({ do: 'read' });
  }

  async close() {
    this.#process.stdin.end();
    await this.#ended;
  }

  #say(command) {
    return this.#inTurn(() => {
      this.#process.stdin.write(`${JSON.stringify(command)}\n`);
      return this.#reply();
    });
  }

  // One command at a time, so that replies find their callers.
  #inTurn(work) {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }

  async #reply() {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('the relay has ended');
    const { state, error } = JSON.parse(value);
    if (error) throw new Error(`relay: ${error}`);
    return state;
  }
}
