// Browsers whose media goes through the relay: the server's media has an address of its own that
// no guest reaches, and each guest finds a relay at the gateway where the server says its media is.
import { execFileSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { Relay } from './relay.mjs';
import { Server } from './server.mjs';

/** Where the server's media really is; the relay may appear to it from the others. */
export const mediaAddress = '10.98.0.1';
export const clientAddresses = ['10.98.0.2', '10.98.0.3'];
export const mediaPort = 7882;

/** Builds the relay, unless BESEDKA_RELAY names one. */
export function relayBinary(hosts) {
  if (process.env.BESEDKA_RELAY) return resolve(process.env.BESEDKA_RELAY);
  return build(hosts, 'relay', './test/relay/run');
}

/** Builds a program of this repository. */
export function build(hosts, name, source) {
  const file = join(hosts.folder, name);
  execFileSync('go', ['build', '-o', file, source], { cwd: join(import.meta.dirname, '../..'), stdio: ['ignore', 'inherit', 'inherit'] });
  return file;
}

/** The server and a relay for each guest, by the guest's name. */
export async function badNetwork(hosts, { seed = 1 } = {}) {
  const binary = relayBinary(hosts);
  hosts.behind([mediaAddress, ...clientAddresses]);
  const server = new Server(hosts, undefined, { media: `${mediaAddress}:${mediaPort}` });
  await server.start();
  const relays = {};
  for (const guest of Object.keys(hosts.guests)) relays[guest] = await openRelay(hosts, binary, guest, { port: mediaPort, seed });
  return { server, relays, binary };
}

/** A relay at the guest's gateway, in front of the server's media on the same port unless another is named. */
export async function openRelay(hosts, binary, guest, { port, seed, at = port }) {
  const relay = new Relay({ binary, listen: `${hosts.guests[guest].gateway}:${at}`, server: `${mediaAddress}:${port}`, seed, namespace: hosts.server });
  await relay.open();
  return relay;
}
