import { fork } from 'node:child_process';
import { join } from 'node:path';
import { FromGenerator, Job, Mark, Measurement, ToGenerator } from './job';

/** How long a generator may take to end once it is not needed any more. */
const EXIT_TIMEOUT_MS = 2000;

/**
 * Runs one job in a fresh load generator.
 * @param onMark called at each moment the job announces; the generator is told when it is done
 * @param timeoutMs the generator is killed and the promise rejected after this long
 */
export function runJob(
  job: Job,
  onMark: (mark: Mark) => Promise<void>,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Measurement> {
  return new Promise((resolve, reject) => {
    const child = fork(join(__dirname, 'main.js'), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    let outcome: (() => void) | undefined;
    // The outcome is handed over when the process is gone: the next run shall have the machine to itself.
    const finish = (settle: () => void): void => {
      if (outcome) return;
      outcome = settle;
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      if (child.connected) child.disconnect();
      setTimeout(() => child.kill('SIGKILL'), EXIT_TIMEOUT_MS).unref();
    };
    const tell = (message: ToGenerator): void => {
      if (!outcome && child.connected) child.send(message);
    };
    const fail = (reason: string): void => finish(() => reject(new Error(reason)));
    const abort = (): void => fail('interrupted');
    const timer = setTimeout(() => fail(`no result within ${timeoutMs / 1000} s`), timeoutMs);

    signal.addEventListener('abort', abort, { once: true });
    child.on('error', (error) => fail(error.message));
    child.on('exit', (code, by) => {
      fail(`the load generator ended (${by ?? code})`);
      outcome?.();
    });
    child.on('message', (message: FromGenerator) => {
      if (message.type === 'mark') {
        onMark(message.mark).then(
          () => tell({ type: 'continue' }),
          (error: unknown) => fail(String(error)),
        );
      } else if (message.type === 'done') finish(() => resolve(message.measurement));
      else fail(message.reason);
    });
    tell({ type: 'job', job });
  });
}
