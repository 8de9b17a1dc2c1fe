// Runs the all-in-one, or the service that is named, and builds and starts it again whenever a source changes:
// `npm run start:dev`, `npm run start:dev -- gateway`. Options are Node's: `npm run start:dev -- --inspect-brk gateway`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from './build.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const args = process.argv.slice(2);
const options = args.filter((arg) => arg.startsWith('-'));
const [app = 'hearth'] = args.filter((arg) => !arg.startsWith('-'));
const command = ['--enable-source-maps', ...options, join(root, 'dist/apps', app, 'src/main.js')];
// Nobody wants to wait for clients to go.
const env = { HEARTH_DRAIN_SECONDS: '0', ...process.env };
// An editor writes a file in several steps, and several files at once.
const QUIET_MS = 100;

let child;

function start() {
  child = spawn(process.execPath, command, { stdio: 'inherit', env, cwd: root });
  child.once('exit', (code, signal) => {
    if (signal === null && code !== 0) console.error(`${app} ended with ${code}: it is started again after a change`);
  });
}

async function stop() {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

/** What runs goes on running when the change cannot be compiled. */
async function restart() {
  try {
    await build();
  } catch (error) {
    console.error(error.message);
    return;
  }
  await stop();
  start();
}

let timer;
let running = Promise.resolve();
const changed = () => {
  clearTimeout(timer);
  timer = setTimeout(() => (running = running.then(restart)), QUIET_MS);
};
for (const folder of ['apps', 'libs', 'db']) {
  watch(join(root, folder), { recursive: true }, (_event, name) => {
    if (/(?<!\.spec)\.(ts|sql)$/.test(name ?? '')) changed();
  });
}
// The terminal signals the child as well; we stay until it has ended.
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => void stop().then(() => process.exit(0)));
}
running = restart();
