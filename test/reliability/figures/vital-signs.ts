import { readFile } from 'node:fs/promises';
import type { AppProcess } from '../../support/process';

/** Memory of a process as Linux tells it, MiB. */
export async function residentMiB({ pid }: AppProcess): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1');
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1_024);
}

/** As `residentMiB`, without garbage. The process must have been started with `collectsGarbage`. */
export async function keptMiB(app: AppProcess): Promise<number> {
  process.kill(app.pid, 'SIGUSR2');
  // It answers when it is done.
  await metric(app, 'process_');
  return residentMiB(app);
}

/** Sum of all samples of a metric whose name begins so. */
export async function metric({ adminPort }: AppProcess, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  return text
    .split('\n')
    .filter((line) => line.startsWith(name))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** Of the time since it was last asked, ms. An idle event loop has 10 ms, the time between two looks. */
export async function eventLoopP99(app: AppProcess): Promise<number> {
  return Math.round((await metric(app, 'nodejs_eventloop_lag_p99_seconds')) * 1_000);
}
