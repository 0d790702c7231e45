// The real program, in a namespace of its own, on a folder of its own.
import { spawn, execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

const binary = resolve(process.env.BESEDKA_BIN ?? join(import.meta.dirname, '../../bin/besedka'));

export class Server {
  /**
   * @param {{certificate: string, key: string} | undefined} tls files with which the server serves HTTPS itself, on port 443
   * @param {{media?: string, advertise?: string[]}} [options] where media comes in, and where browsers are told that it does
   */
  constructor(hosts, tls, { media = '0.0.0.0:7882', advertise } = {}) {
    this.hosts = hosts;
    this.tls = tls;
    this.media = media;
    this.data = join(hosts.folder, 'data');
    mkdirSync(this.data, { recursive: true });
    this.gateways = Object.values(hosts.guests).map((g) => g.gateway);
    this.advertise = advertise ?? this.gateways;
    this.log = '';
  }

  url(guest) {
    return this.at(this.hosts.guests[guest].gateway);
  }

  at(address) {
    return this.tls ? `https://${address}` : `http://${address}:8080`;
  }

  async start() {
    const tls = this.tls ? ['--tls-cert', this.tls.certificate, '--tls-key', this.tls.key] : [];
    this.process = spawn('ip', ['netns', 'exec', this.hosts.server, binary, 'serve', '--data', this.data, '--listen', `0.0.0.0:${this.tls ? 443 : 8080}`, ...tls,
      '--url', this.at(this.gateways[0]), '--media', this.media, '--advertise', this.advertise.join(',')]);
    for (const out of [this.process.stdout, this.process.stderr]) out.on('data', (text) => (this.log += text));
    const deadline = Date.now() + 90000;
    for (;;) {
      if (this.process.exitCode !== null) throw new Error(`the server stopped:\n${this.log}`);
      try {
        execFileSync('ip', ['netns', 'exec', this.hosts.server, process.execPath, '-e',
          `fetch('${this.at('127.0.0.1')}/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))`],
        { stdio: 'ignore', env: { ...process.env, ...(this.tls ? { NODE_EXTRA_CA_CERTS: this.tls.certificate } : {}) } });
        return;
      } catch {
        if (Date.now() > deadline) throw new Error(`the server did not become ready:\n${this.log}`);
      }
    }
  }

  /** The one-time link with which the owner signs up, as the server printed it. */
  ownerPath() {
    const link = this.log.match(/https?:\/\/\S+\/join\/\S+/)?.[0];
    if (!link) throw new Error(`no owner's link in what the server printed:\n${this.log}`);
    return new URL(link).pathname;
  }

  async kill(signal = 'SIGKILL') {
    if (!this.process || this.process.exitCode !== null) return;
    const ended = new Promise((done) => this.process.once('exit', done));
    // The process is `ip netns exec`, which has become the program itself.
    this.process.kill(signal);
    await ended;
  }
}
