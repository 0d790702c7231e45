// Hosts of our own on one machine: network namespaces joined to the server's by veth pairs.
// Needs Linux, root and iproute2, and says so; nothing outside these namespaces is reached.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';

const ip = (...args) => execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] }).toString();

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // has ended meanwhile
  }
}

/** Lets this process and all that it starts go before the machine's other work, which would be heard as gaps. */
function beforeOthers() {
  try {
    setPriority(-19);
  } catch {
    // A container may forbid it: then the machine's other work is heard.
  }
}

export class Hosts {
  /** @param {string[]} guests one namespace a browser */
  constructor(guests) {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) {
      throw new Error('the end-to-end tests make network namespaces: run them on Linux as root (sudo make e2e)');
    }
    this.folder = mkdtempSync(join(tmpdir(), 'besedka-e2e-'));
    this.tag = `bsd${randomBytes(3).toString('hex')}`; // several runs may go on at a time
    this.names = ['srv', ...guests];
    this.server = `${this.tag}srv`;
    this.guests = Object.fromEntries(guests.map((name, i) => [name, { ns: this.tag + name, address: `10.99.${i + 1}.2`, gateway: `10.99.${i + 1}.1`, link: `${this.tag}${name[0]}${i}` }]));
    process.once('exit', () => this.close());
    beforeOthers();
  }

  open() {
    try {
      ip('netns', 'add', this.server);
    } catch (error) {
      throw new Error(`no network namespace can be made here (\`ip netns add\` says: ${String(error.stderr || error.message).trim()}). The end-to-end tests need iproute2 and the right to make them (CAP_SYS_ADMIN): in a container, run it privileged.`);
    }
    for (const name of this.names) {
      if (name !== 'srv') ip('netns', 'add', this.tag + name);
      ip('-n', this.tag + name, 'link', 'set', 'lo', 'up');
    }
    for (const g of Object.values(this.guests)) {
      ip('link', 'add', `${g.link}s`, 'netns', this.server, 'type', 'veth', 'peer', 'name', `${g.link}g`, 'netns', g.ns);
      ip('-n', this.server, 'addr', 'add', `${g.gateway}/24`, 'dev', `${g.link}s`);
      ip('-n', this.server, 'link', 'set', `${g.link}s`, 'up');
      ip('-n', g.ns, 'addr', 'add', `${g.address}/24`, 'dev', `${g.link}g`);
      ip('-n', g.ns, 'link', 'set', `${g.link}g`, 'up');
      ip('-n', g.ns, 'route', 'add', 'default', 'via', g.gateway);
    }
  }

  /** Ends what is left running in the namespaces, and removes them and the folder. */
  close() {
    for (const name of this.names.splice(0)) {
      try {
        for (const pid of ip('netns', 'pids', this.tag + name).split('\n').filter(Boolean)) kill(Number(pid));
        ip('netns', 'del', this.tag + name);
      } catch {
        // was never made
      }
    }
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  /** A file that starts the program as that guest; `through` is what puts it there. */
  program(guest, program, { environment = {}, through = 'ip netns exec' } = {}) {
    const file = join(this.folder, `${program.split('/').pop()}-${guest}`);
    const home = this.home ? { HOME: this.home } : {};
    const variables = Object.entries({ ...home, ...environment }).map(([name, value]) => `${name}='${value}'`);
    writeFileSync(file, `#!/bin/sh\nexec env ${variables.join(' ')} ${through} ${this.guests[guest].ns} ${program} "$@"\n`);
    chmodSync(file, 0o755);
    return file;
  }

  /** Gives the server further addresses, which guests reach only through programs beside the server. */
  behind(addresses) {
    for (const address of addresses) ip('-n', this.server, 'addr', 'add', `${address}/32`, 'dev', 'lo');
    for (const g of Object.values(this.guests)) {
      for (const address of addresses) ip('-n', g.ns, 'route', 'add', 'unreachable', address);
      for (const other of Object.values(this.guests)) {
        if (other !== g) ip('-n', g.ns, 'route', 'add', 'unreachable', `${other.gateway}/32`);
      }
    }
  }

  /** Takes the guest's address away and gives another: what went to the old one is lost. */
  move(guest) {
    const g = this.guests[guest];
    const [, , net, last] = g.address.split('.');
    const next = `10.99.${net}.${Number(last) + 1}`;
    ip('-n', g.ns, 'addr', 'del', `${g.address}/24`, 'dev', `${g.link}g`); // takes the routes with it
    ip('-n', g.ns, 'addr', 'add', `${next}/24`, 'dev', `${g.link}g`);
    ip('-n', g.ns, 'route', 'add', 'default', 'via', g.gateway);
    g.address = next;
  }

  /** Lets only that through which the nftables rule set says, as the guest's network would. */
  firewall(guest, rules) {
    execFileSync('ip', ['netns', 'exec', this.guests[guest].ns, 'nft', '-f', '-'], { input: rules });
  }

  /** From now on loses, without a word, what belongs to the sockets that the guest has open; `kinds` are udp, tcp or both. What is opened later is free. */
  cut(guest, kinds) {
    const sockets = ip('netns', 'exec', this.guests[guest].ns, 'ss', '-Hna', ...kinds.map((kind) => `--${kind}`)).split('\n').filter(Boolean);
    const ports = [...new Set(sockets.map((line) => line.match(/:(\d+)\s/)[1]))];
    const chain = (hook, end) => `chain ${hook} { type filter hook ${hook} priority 0; meta l4proto { ${kinds.join()} } th ${end} { ${ports.join()} } drop; }`;
    this.firewall(guest, `table inet cut { ${chain('output', 'sport')}\n${chain('input', 'dport')}\n }`);
  }

  /** A certificate for the server's addresses, which the browsers trust that are started from now on. */
  certificate() {
    const [certificate, key] = ['cert.pem', 'key.pem'].map((name) => join(this.folder, name));
    const names = [...Object.values(this.guests).map((g) => g.gateway), '127.0.0.1'].map((address) => `IP:${address}`);
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=Besedka test',
      '-addext', `subjectAltName=${names.join(',')}`, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
    this.home = join(this.folder, 'home');
    const database = join(this.home, '.pki/nssdb');
    mkdirSync(database, { recursive: true });
    execFileSync('certutil', ['-d', `sql:${database}`, '-N', '--empty-password']);
    execFileSync('certutil', ['-d', `sql:${database}`, '-A', '-t', 'C,,', '-n', 'besedka', '-i', certificate]);
    return { certificate, key };
  }

  /** UDP datagrams that have reached that guest so far, whether or not a socket took them. */
  datagramsReceived(guest) {
    const out = ip('netns', 'exec', this.guests[guest].ns, 'cat', '/proc/net/snmp');
    const [names, values] = out.split('\n').filter((l) => l.startsWith('Udp:')).map((l) => l.split(/\s+/));
    return ['InDatagrams', 'NoPorts', 'InErrors'].reduce((sum, name) => sum + Number(values[names.indexOf(name)]), 0);
  }
}

/** The samples of a 16-bit mono WAV file as floats, and their rate. */
export function readWav(file) {
  const b = readFileSync(file);
  let rate = 0;
  for (let o = 12; o + 8 <= b.length; ) {
    const kind = b.toString('latin1', o, o + 4);
    const size = b.readUInt32LE(o + 4);
    if (kind === 'fmt ') rate = b.readUInt32LE(o + 12);
    if (kind === 'data') {
      const end = Math.min(o + 8 + size, b.length - 1);
      const samples = new Float32Array((end - o - 8) >> 1);
      for (let i = 0; i < samples.length; i++) samples[i] = b.readInt16LE(o + 8 + 2 * i) / 32768;
      return { rate, samples };
    }
    o += 8 + size + (size & 1);
  }
  throw new Error(`${file} has no audio`);
}

/** What two people say, each in their own language. */
export function evening(folder) {
  return [
    speech(folder, 'english', 'en', 'Good evening, and welcome. Tonight we speak about rivers, and bridges, and about how a town finds its voice.'),
    speech(folder, 'russian', 'ru', 'Добрый вечер. Сегодня мы говорим о реках, о мостах и о том, как город находит свой голос.'),
  ];
}

/** Speech from espeak-ng as a 48 kHz WAV file with half a second of silence after it. */
export function speech(folder, name, voice, text) {
  const file = join(folder, `${name}.wav`);
  execFileSync('espeak-ng', ['-v', voice, '-a', '160', '-w', `${file}.raw.wav`, text]);
  const { rate, samples } = readWav(`${file}.raw.wav`);
  const n = Math.floor((samples.length * 48000) / rate) + 24000;
  const out = Buffer.alloc(44 + 2 * n);
  out.write('RIFF', 0);
  out.writeUInt32LE(36 + 2 * n, 4);
  out.write('WAVEfmt ', 8);
  out.writeUInt32LE(16, 16);
  out.writeUInt16LE(1, 20);
  out.writeUInt16LE(1, 22);
  out.writeUInt32LE(48000, 24);
  out.writeUInt32LE(96000, 28);
  out.writeUInt16LE(2, 32);
  out.writeUInt16LE(16, 34);
  out.write('data', 36);
  out.writeUInt32LE(2 * n, 40);
  for (let i = 0; i < n; i++) {
    const at = (i * rate) / 48000;
    const k = Math.floor(at);
    const v = k + 1 < samples.length ? samples[k] + (samples[k + 1] - samples[k]) * (at - k) : 0;
    out.writeInt16LE(Math.round(Math.max(-1, Math.min(1, v)) * 32767), 44 + 2 * i);
  }
  writeFileSync(file, out);
  return file;
}
