import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../support/eventually';
import { pauseProcess, resumeProcess } from '../support/pause-process';
import type { AppProcess } from '../support/process';
import type { Receiver } from './receiver';
import { gaugesOf, metricOf, range, Testbed } from './testbed';

const CHANNELS = range(8).map((c) => `c${c}`);

let testbed: Testbed;
let receiver: Receiver;

beforeEach(async () => {
  testbed = await Testbed.open();
  receiver = await testbed.receiver();
});
afterEach(async () => {
  const { forged } = receiver;
  await testbed.close();
  expect(forged).toEqual([]);
});

/** Emits numbered events on all channels until it is stopped. */
class Load {
  private readonly sent = new Map<string, number>(CHANNELS.map((channel) => [channel, 0]));
  private stopping = false;
  private readonly done: Promise<unknown>;

  constructor() {
    this.done = Promise.all(CHANNELS.map((channel) => this.emitAll(channel)));
  }

  get total(): number {
    return [...this.sent.values()].reduce((sum, count) => sum + count, 0);
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await this.done;
  }

  /** All that was sent has arrived, in order. Repeats may have come in between. */
  async expectDelivered(withinMs?: number): Promise<void> {
    await eventually(() => {
      for (const [channel, count] of this.sent) {
        const numbers = receiver.numbers(channel);
        const outOfOrder = numbers.filter((n, index) => n !== index).slice(0, 10);
        expect({ channel, count: numbers.length, outOfOrder }).toEqual({ channel, count, outOfOrder: [] });
      }
    }, withinMs);
  }

  private async emitAll(channel: string): Promise<void> {
    for (let n = 0; !this.stopping; n++) {
      await testbed.emit(channel, n);
      this.sent.set(channel, n + 1);
      await delay(25);
    }
  }
}

/** The first delivery of each event, successful or not: no channel's events may be out of order even there. */
function expectNoneOvertaken(): void {
  for (const channel of CHANNELS) {
    const own = receiver.deliveries.filter((delivery) => delivery.channel === channel);
    const first = [...new Map(own.map(({ id, n }) => [id, n])).values()];
    expect(first).toEqual([...first].sort((a, b) => a - b));
  }
}

const untilAccepted = (more: number) => {
  const before = receiver.accepted.length;
  return eventually(() => expect(receiver.accepted.length).toBeGreaterThan(before + more));
};

describe('no event is lost and none overtakes another of its channel', () => {
  /** One answer of a hundred is a failure, so that events wait in Postgres as well. */
  const failSome = () => {
    let count = 0;
    receiver.behaviour = () => (++count % 100 === 0 ? 500 : 200);
  };

  it('when webhooks is killed, again and again', async () => {
    failSome();
    let process = await testbed.start(receiver.url);
    const load = new Load();
    for (let round = 0; round < 3; round++) {
      await untilAccepted(100);
      await testbed.kill(process);
      process = await testbed.start(receiver.url);
    }
    await untilAccepted(100);
    await load.stop();
    await load.expectDelivered();
    expectNoneOvertaken();
  });

  it('when nats-server is killed', async () => {
    failSome();
    await testbed.start(receiver.url);
    const load = new Load();
    for (let round = 0; round < 2; round++) {
      await untilAccepted(100);
      await testbed.nats.kill();
      await testbed.nats.restart();
    }
    await untilAccepted(100);
    await load.stop();
    await load.expectDelivered(60_000);
    expectNoneOvertaken();
  });

  it('when the connections to Postgres are cut', async () => {
    failSome();
    await testbed.start(receiver.url);
    const load = new Load();
    for (let round = 0; round < 3; round++) {
      await untilAccepted(100);
      await testbed.sql.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
      );
    }
    await untilAccepted(100);
    await load.stop();
    await load.expectDelivered();
    expectNoneOvertaken();
  });

  it('when one of two processes is killed: the other takes over', async () => {
    failSome();
    const first = await testbed.start(receiver.url);
    const second = await testbed.start(receiver.url);
    const load = new Load();
    await untilAccepted(100);
    expect(await metricOf(second, 'delivered_total')).toBe(0);
    await testbed.kill(first);
    await untilAccepted(100);
    expect(await metricOf(second, 'delivered_total')).toBeGreaterThan(0);
    await load.stop();
    await load.expectDelivered();
    expectNoneOvertaken();
  });

  it('when the clock of Postgres is set ahead: who renews its lease keeps sending, and nobody else begins', async () => {
    const first = await testbed.start(receiver.url);
    const second = await testbed.start(receiver.url);
    const load = new Load();
    for (let n = 0; n < 30; n++) {
      await testbed.sql.query("update webhook_target set lease_until = now() - interval '1 minute'");
      await untilAccepted(20);
    }
    expect(await metricOf(second, 'delivered_total')).toBe(0);
    await load.stop();
    await load.expectDelivered();
    expect(first.lines.join()).not.toContain('another process sends webhooks');
  });

  it('when the clock of Postgres is set back: who has died is succeeded all the same', async () => {
    const first = await testbed.start(receiver.url);
    const load = new Load();
    await untilAccepted(20);
    await testbed.kill(first, 'SIGKILL');
    await testbed.sql.query("update webhook_target set lease_until = now() + interval '1 hour'");
    await testbed.start(receiver.url);
    await untilAccepted(20);
    await load.stop();
    await load.expectDelivered();
  });

  it('when all were away for long, and the last one had no time to give its target back', async () => {
    receiver.behaviour = () => 500;
    const first = await testbed.start(receiver.url);
    const load = new Load();
    await eventually(() => expect(receiver.deliveries.length).toBeGreaterThan(20));
    await testbed.kill(first, 'SIGKILL');
    await load.stop();
    await testbed.sql.query("update webhook_target set updated_at = now() - interval '1 year'");
    receiver.behaviour = () => 200;
    await testbed.start(receiver.url);
    await load.expectDelivered();
  });

  it('when a process is paused until another has taken over, and wakes up', async () => {
    failSome();
    const first = await testbed.start(receiver.url);
    const second = await testbed.start(receiver.url);
    const load = new Load();
    await untilAccepted(100);
    await pauseProcess(first.pid);
    await eventually(async () => expect(await metricOf(second, 'delivered_total')).toBeGreaterThan(100));
    resumeProcess(first.pid);
    await eventually(() => expect(first.lines.join('\n')).toContain('another process sends webhooks'));
    expect([await gaugesOf(first), await gaugesOf(second)]).toEqual([[], ['lag', 'paused', 'waiting']]);
    await untilAccepted(100);
    await load.stop();
    await load.expectDelivered();
    expectNoneOvertaken();
  });

  it('when a process ends in good order: the other takes over, and hardly anything comes twice', async () => {
    const first = await testbed.start(receiver.url);
    await testbed.start(receiver.url);
    const load = new Load();
    await untilAccepted(100);
    await testbed.kill(first, 'SIGTERM');
    await untilAccepted(100);
    await load.stop();
    await load.expectDelivered();
    expect(receiver.deliveries).toHaveLength(load.total);
  });
});

describe('the events stream', () => {
  it('that was made anew is read from its beginning', async () => {
    const webhooks: AppProcess = await testbed.start(receiver.url);
    for (const n of range(5)) await testbed.emit('c', n);
    await eventually(() => expect(receiver.numbers('c')).toEqual(range(5)));
    await testbed.kill(webhooks, 'SIGTERM');
    const manager = await testbed.connection.manager();
    await manager.streams.delete('HEARTH_EVENTS');
    await testbed.makeStream();
    for (const n of range(3, 5)) await testbed.emit('c', n);
    const next = await testbed.start(receiver.url);
    await eventually(() => expect(receiver.numbers('c')).toEqual(range(8)));
    expect(next.lines.join('\n')).toContain('the stream was created anew');
  });

  it('that dropped events before they could be read has them counted', async () => {
    const webhooks = await testbed.start(receiver.url);
    await testbed.emit('c', 0);
    await eventually(() => expect(receiver.numbers('c')).toEqual([0]));
    await testbed.kill(webhooks, 'SIGTERM');
    for (const n of range(5, 1)) await testbed.emit('c', n);
    await (await testbed.connection.manager()).streams.purge('HEARTH_EVENTS', { seq: 5 });
    const next = await testbed.start(receiver.url);
    await eventually(() => expect(receiver.numbers('c')).toEqual([0, 4, 5]));
    expect(await metricOf(next, 'missed_total')).toBe(3);
  });
});
