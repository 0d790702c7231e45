// A sound card made of software, for browsers that want a real one: a PulseAudio daemon of the test's own, whose
// microphone hears a file over and over and whose loudspeaker plays to nobody.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

export class SoundCard {
  /** @param {string} [says] the WAV file that the microphone hears; nothing without it */
  static async open(folder, name, says) {
    const card = new SoundCard();
    const home = join(folder, `sound-${name}`);
    mkdirSync(home, { recursive: true, mode: 0o700 });
    const socket = join(home, 'socket');
    card.environment = { PULSE_SERVER: `unix:${socket}`, PULSE_COOKIE: join(home, 'cookie'), XDG_RUNTIME_DIR: home };
    const env = { ...process.env, ...card.environment, PULSE_RUNTIME_PATH: home, PULSE_STATE_PATH: home, HOME: home };
    card.processes = [];
    const run = (program, ...args) => {
      const child = spawn(program, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
      child.stderr.on('data', (text) => (card.log = `${card.log ?? ''}${text}`.slice(-4000)));
      child.on('error', (error) => (card.log = String(error)));
      card.processes.push(child);
      return child;
    };
    const daemon = run('pulseaudio', '-n', '--daemonize=no', '--exit-idle-time=-1', '--use-pid-file=no', '--log-target=stderr',
      '-L', `module-native-protocol-unix socket=${socket} auth-anonymous=1`,
      '-L', 'module-null-sink sink_name=loudspeaker rate=48000 channels=2',
      '-L', 'module-null-sink sink_name=mouth rate=48000 channels=1',
      '-L', 'module-remap-source source_name=microphone master=mouth.monitor');
    for (const deadline = Date.now() + 30000; ; await new Promise((done) => setTimeout(done, 100))) {
      if (daemon.exitCode !== null || daemon.pid === undefined) throw new Error(`pulseaudio has ended (apt-get install pulseaudio):\n${card.log}`);
      try {
        if (!existsSync(socket)) throw new Error('not there yet');
        execFileSync('pactl', ['set-default-sink', 'loudspeaker'], { env, stdio: 'pipe' });
        execFileSync('pactl', ['set-default-source', 'microphone'], { env, stdio: 'pipe' });
        break;
      } catch (error) {
        if (Date.now() > deadline) throw new Error(`pulseaudio does not answer: ${error}\n${card.log}`);
      }
    }
    if (says) run('sh', '-c', 'while paplay --device=mouth "$0"; do :; done', says);
    return card;
  }

  close() {
    for (const child of this.processes.splice(0).reverse()) child.kill('SIGTERM');
  }
}
