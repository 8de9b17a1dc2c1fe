/** The load generator: a child process that takes one job, runs it and ends. */
import { FromGenerator, Job, Mark, Measurement, ToGenerator } from './job';
import { runConnect } from './jobs/connect';
import { runFixedRate } from './jobs/fixed-rate';
import { runPresence } from './jobs/presence';
import { runPublish } from './jobs/publish';
import { runSchedules } from './jobs/schedules';
import { runStore } from './jobs/store';
import { runVerify } from './jobs/verify';
import { runWindowed } from './jobs/windowed';
import { Announce } from './window-clock';

const continuations: (() => void)[] = [];

function send(message: FromGenerator): void {
  process.send?.(message);
}

function announce(mark: Mark): Promise<void> {
  return new Promise((resolve) => {
    continuations.push(resolve);
    send({ type: 'mark', mark });
  });
}

function run(job: Job, marks: Announce): Promise<Measurement> {
  switch (job.kind) {
    case 'windowed':
      return runWindowed(job, marks);
    case 'fixed-rate':
      return runFixedRate(job, marks);
    case 'publish':
      return runPublish(job, marks);
    case 'store':
      return runStore(job, marks);
    case 'connect':
      return runConnect(job, marks);
    case 'presence':
      return runPresence(job, marks);
    case 'schedules':
      return runSchedules(job, marks);
    case 'verify':
      return runVerify(job, marks);
  }
}

process.on('message', (message: ToGenerator) => {
  if (message.type === 'continue') {
    continuations.shift()?.();
    return;
  }
  run(message.job, announce).then(
    (measurement) => send({ type: 'done', measurement }),
    (error: unknown) => send({ type: 'failed', reason: error instanceof Error ? error.message : String(error) }),
  );
});
// The bench is gone, whatever the reason: nobody is left to report to.
process.on('disconnect', () => process.exit(0));
