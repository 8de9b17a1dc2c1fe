import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually, LONGEST_WAIT_MS } from './eventually';

export type AppName = 'hearth' | 'publish-api' | 'sequencer' | 'gateway' | 'history' | 'webhooks';

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface StartAppOptions {
  /** How long it may take until `/readyz` says so. */
  readonly readyWithinMs?: number;
}

interface Started {
  /** Missing where it does not listen. */
  readonly port?: number;
  readonly adminPort: number;
}

// Each process that a test starts listens to the end of this one.
process.setMaxListeners(50);

const root = join(__dirname, '../..');
const keptLines = 2000;
const stopWithinMs = LONGEST_WAIT_MS;

/** One of our services as a process of its own: the built program, given nothing but environment variables. */
export class AppProcess {
  /** What it wrote to stdout and stderr, the last 2,000 lines. */
  readonly lines: string[] = [];
  readonly exited: Promise<Exit>;
  readonly pid: number;
  private exit: Exit | undefined;
  private started: Started | undefined;

  constructor(
    readonly name: AppName,
    private readonly child: ChildProcessByStdio<null, Readable, Readable>,
  ) {
    this.pid = child.pid ?? 0;
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.started ??= startedLine(line);
        this.lines.push(line);
        if (this.lines.length > keptLines) this.lines.shift();
      });
    }
    // A worker that ends without stopping it must not leave it behind.
    const killIt = () => child.kill('SIGKILL');
    process.once('exit', killIt);
    this.exited = new Promise((resolve, reject) => {
      child.once('error', reject);
      // "close" comes when its output has been read to the end, too.
      child.once('close', (code, signal) => {
        process.removeListener('exit', killIt);
        this.exit = { code, signal };
        resolve(this.exit);
      });
    });
  }

  /** Of the HTTP and WebSocket listener. */
  get port(): number {
    return this.ports.port ?? 0;
  }

  get adminPort(): number {
    return this.ports.adminPort;
  }

  /** `http://127.0.0.1:<port>` */
  get httpUrl(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** `ws://127.0.0.1:<port>/v1` */
  get wsUrl(): string {
    return `ws://127.0.0.1:${this.port}/v1`;
  }

  /** Ends it in good order. @throws Error with its last lines when it takes too long */
  async stop(): Promise<Exit> {
    return this.kill('SIGTERM');
  }

  /** Sends a signal and waits for the end. */
  async kill(signal: NodeJS.Signals): Promise<Exit> {
    if (this.exit !== undefined) return this.exit;
    this.child.kill(signal);
    const tooLate = new AbortController();
    const exit = await Promise.race([
      this.exited,
      delay(stopWithinMs, undefined, { signal: tooLate.signal }).catch(() => undefined),
    ]);
    tooLate.abort();
    if (exit !== undefined) return exit;
    this.child.kill('SIGKILL');
    throw this.trouble(`did not end within ${stopWithinMs} ms of ${signal}`);
  }

  /** What it said of itself when it had started. */
  private get ports(): Started {
    if (this.started === undefined) throw this.trouble('has not said that it has started');
    return this.started;
  }

  /** Waits until the admin port answers `/readyz` with 200. @throws Error with its last lines when it ends or takes too long */
  async untilReady(withinMs: number): Promise<void> {
    await eventually(async () => {
      if (this.exit !== undefined) return;
      const response = await fetch(`http://127.0.0.1:${this.adminPort}/readyz`);
      if (!response.ok) throw this.trouble(`was not ready within ${withinMs} ms: ${await response.text()}`);
    }, withinMs);
    if (this.exit !== undefined) throw this.trouble(`ended with ${JSON.stringify(this.exit)}`);
  }

  private trouble(what: string): Error {
    return new Error(`${this.name} ${what}. Its last lines:\n${this.lines.slice(-40).join('\n')}`);
  }
}

/** The line in which a service tells that it has started, and on which ports; undefined for any other. */
function startedLine(line: string): Started | undefined {
  return line.includes('"message":"Started"') ? (JSON.parse(line) as Started) : undefined;
}

/**
 * Starts a service and waits until it is ready.
 *
 * @param env its whole configuration; a port that is not given is any that is free
 * @throws Error with its last lines when it does not get ready
 */
export async function startApp(
  name: AppName,
  env: Readonly<Record<string, string>>,
  { readyWithinMs = LONGEST_WAIT_MS }: StartAppOptions = {},
): Promise<AppProcess> {
  // Two all-in-ones may not share one, and this folder's own is that of who works here.
  const dataDir =
    name === 'hearth' && env.HEARTH_DATA_DIR === undefined ? await mkdtemp(join(tmpdir(), 'hearth-data-')) : undefined;
  const child = spawn(process.execPath, [join(root, 'dist/apps', name, 'src/main.js')], {
    cwd: root,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      HEARTH_HOST: '127.0.0.1',
      HEARTH_PORT: '0',
      HEARTH_ADMIN_PORT: '0',
      ...(dataDir !== undefined && { HEARTH_DATA_DIR: dataDir }),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const app = new AppProcess(name, child);
  if (dataDir !== undefined) void app.exited.then(() => rm(dataDir, { recursive: true, force: true }));
  try {
    await app.untilReady(readyWithinMs);
    return app;
  } catch (error) {
    await app.kill('SIGKILL');
    throw error;
  }
}
