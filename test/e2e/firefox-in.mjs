// Starts Firefox in a network namespace and makes the port on which it is driven reachable from ours:
//   node firefox-in.mjs NAMESPACE FIREFOX [ARGUMENTS]
// Firefox listens on the loopback address of its namespace, and answers those only who name the port on which it does. So
// a port is taken here first; in its namespace, where it is alone, the same one is free.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';

const [namespace, program, ...args] = process.argv.slice(2);
const inside = (stdio, ...command) => spawn('ip', ['netns', 'exec', namespace, ...command], { stdio });
const carry = `const s = require('node:net').connect(process.argv[1], '127.0.0.1'); s.pipe(process.stdout); process.stdin.pipe(s);
  for (const e of ['error', 'close']) s.on(e, () => process.exit()); process.stdin.on('close', () => process.exit());`;

const door = createServer((socket) => {
  const carrier = inside(['pipe', 'pipe', 'ignore'], process.execPath, '-e', carry, String(door.address().port));
  socket.pipe(carrier.stdin).on('error', () => {});
  carrier.stdout.pipe(socket).on('error', () => {});
  carrier.on('exit', () => socket.destroy());
  socket.on('close', () => carrier.kill());
});
door.listen(0, '127.0.0.1', () => {
  const port = `--remote-debugging-port=${door.address().port}`;
  const firefox = inside('inherit', program, ...args.map((arg) => (arg.startsWith('--remote-debugging-port') ? port : arg)));
  firefox.on('exit', (code) => process.exit(code ?? 1));
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => firefox.kill(signal));
});
