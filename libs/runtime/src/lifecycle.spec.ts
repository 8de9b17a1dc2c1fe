import { EventEmitter } from 'node:events';
import type { AdminServer } from './admin/admin-server';
import { runService, type ProcessHost, type RunningService, type ServiceDefinition } from './lifecycle';

/** Stands in for `process`: collects what is written and waits to be told to exit. */
class Host extends EventEmitter implements ProcessHost {
  written = '';
  readonly codes: number[] = [];
  readonly exited: Promise<number>;
  private resolveExit: (code: number) => void = () => {};
  readonly stderr = { write: (text: string) => (this.written += text) };

  constructor(readonly env: Record<string, string>) {
    super();
    this.exited = new Promise((resolve) => (this.resolveExit = resolve));
  }

  exit(code: number): void {
    this.codes.push(code);
    this.resolveExit(code);
  }
}

const env = { HEARTH_ADMIN_PORT: '0', HEARTH_NODE_ID: 'test', HEARTH_LOG_LEVEL: 'ERROR', HEARTH_DRAIN_SECONDS: '0' };

let hosts: Host[];
let admins: AdminServer[];
let releases: (() => void)[];

function run(start: ServiceDefinition['start'], extra: Record<string, string> = {}) {
  const host = new Host({ ...env, ...extra });
  hosts.push(host);
  const observed: ServiceDefinition['start'] = (context) => {
    admins.push(context.admin);
    return start(context);
  };
  return { host, running: runService({ name: 'hearth', start: observed }, host) };
}

const idle: RunningService = { drain: async () => {} };

/** A drain that takes until the test is over. */
const stuck = () => new Promise<void>((resolve) => releases.push(resolve));

beforeEach(() => {
  [hosts, admins, releases] = [[], [], []];
});

afterEach(async () => {
  for (const release of releases) release();
  await Promise.all(admins.map((admin) => admin.stop()));
});

describe('a process', () => {
  it('that drains ends with 0', async () => {
    const steps: string[] = [];
    const { host, running } = run(async ({ config }) => {
      steps.push(`start ${config.nodeId}`);
      return { drain: async () => void steps.push('drain') };
    });
    await running;
    host.emit('SIGTERM');
    expect(await host.exited).toBe(0);
    expect(steps).toEqual(['start test', 'drain']);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ])('that is told twice, the second time by %s, ends at once with %i', async (second, code) => {
    const { host, running } = run(async () => ({ drain: stuck }));
    await running;
    host.emit('SIGTERM');
    host.emit(second);
    expect(await host.exited).toBe(code);
  });

  it('that is told while it starts finishes its start first', async () => {
    const steps: string[] = [];
    let finish: (service: RunningService) => void = () => {};
    const begun = new Promise<void>((resolve) => {
      const { host } = run(() => {
        resolve();
        return new Promise((started) => (finish = started));
      });
      void host.exited.then(() => steps.push('exit'));
    });
    await begun;
    hosts[0]!.emit('SIGINT');
    finish({ drain: async () => void steps.push('drain') });
    expect(await hosts[0]!.exited).toBe(0);
    expect(steps).toEqual(['drain', 'exit']);
  });

  it('that is told while its start waits for something gives up and ends with 0', async () => {
    const { host, running } = run(
      ({ interrupted }) =>
        new Promise((_, reject) => {
          interrupted.addEventListener('abort', () => reject(interrupted.reason as Error));
          setImmediate(() => host.emit('SIGTERM'));
        }),
    );
    await running;
    expect(await host.exited).toBe(0);
    expect(host.codes).toEqual([0]);
  });

  it('whose start fails otherwise when it is told to end, ends with 1', async () => {
    const { host } = run(
      ({ interrupted }) =>
        new Promise((_, reject) => {
          interrupted.addEventListener('abort', () => reject(new Error('cannot stop Postgres')));
          setImmediate(() => host.emit('SIGTERM'));
        }),
    );
    expect(await host.exited).toBe(1);
  });

  it('whose start fails ends with 1', async () => {
    const { host } = run(() => Promise.reject(new Error('no database')));
    expect(await host.exited).toBe(1);
  });

  it('whose drain fails ends with 1', async () => {
    const { host, running } = run(async () => ({ drain: () => Promise.reject(new Error('stuck')) }));
    await running;
    host.emit('SIGTERM');
    expect(await host.exited).toBe(1);
  });

  it.each(['uncaughtException', 'unhandledRejection'])('with an %s drains and ends with 1', async (event) => {
    const drain = jest.fn(async () => {});
    const { host, running } = run(async () => ({ drain }));
    await running;
    host.emit(event, new Error('bug'));
    expect(await host.exited).toBe(1);
    expect(drain).toHaveBeenCalledTimes(1);
  });

  it('whose service cannot go on drains and ends with 1', async () => {
    const drain = jest.fn(async () => {});
    let fail: (reason: string) => void = () => {};
    const failed = new Promise<string>((resolve) => (fail = resolve));
    const { host, running } = run(async () => ({ drain, failed }));
    await running;
    fail('its database is lost');
    expect(await host.exited).toBe(1);
    expect(drain).toHaveBeenCalledTimes(1);
  });

  it('with an error while draining goes on draining and ends with 1', async () => {
    let finish: () => void = () => {};
    const { host, running } = run(async () => ({ drain: () => new Promise((resolve) => (finish = resolve)) }));
    await running;
    host.emit('SIGTERM');
    await new Promise(setImmediate);
    host.emit('unhandledRejection', new Error('bug'));
    expect(host.codes).toEqual([]);
    finish();
    expect(await host.exited).toBe(1);
  });

  it('that cannot drain in time is ended with 1', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    try {
      let isTimeUp = (): boolean => false;
      const start: ServiceDefinition['start'] = async ({ timeUp }) => {
        isTimeUp = () => timeUp.aborted;
        return { drain: stuck };
      };
      const { host, running } = run(start, { HEARTH_DRAIN_SECONDS: '7' });
      await running;
      host.emit('SIGTERM');
      jest.advanceTimersByTime(9_499);
      expect(isTimeUp()).toBe(false);
      jest.advanceTimersByTime(1);
      expect(isTimeUp()).toBe(true);
      jest.advanceTimersByTime(2_499);
      expect(host.codes).toEqual([]);
      jest.advanceTimersByTime(1);
      expect(host.codes).toEqual([1]);
    } finally {
      jest.useRealTimers();
    }
  });

  it('leaves the signal of the debugger alone', async () => {
    const { host, running } = run(async () => idle);
    await running;
    expect(host.listenerCount('SIGUSR1')).toBe(0);
    host.emit('SIGTERM');
    await host.exited;
  });

  it('with a wrong configuration tells every mistake and ends with 1 before it starts anything', async () => {
    const start = jest.fn(async () => idle);
    const { host, running } = run(start, { HEARTH_PORT: 'x', HEARTH_PARTITIONS: '0', HEARTH_DATABASE_URL: 'PLANTED' });
    await running;
    expect(await host.exited).toBe(1);
    expect(host.written).toMatch(
      /HEARTH_PORT: must be .*\n.*HEARTH_DATABASE_URL: must be .*\n.*HEARTH_PARTITIONS: must be /,
    );
    expect(host.written).not.toContain('PLANTED');
    expect(start).not.toHaveBeenCalled();
  });

  it('may complete its environment before it is read', async () => {
    const host = new Host(env);
    const seen: string[] = [];
    await runService(
      {
        name: 'hearth',
        environment: async (given) => ({ ...given, HEARTH_HTTP_API_KEY_1: 'generated' }),
        start: async ({ config }) => {
          seen.push(...config.reloadable.current.apiKeys);
          return idle;
        },
      },
      host,
    );
    host.emit('SIGTERM');
    await host.exited;
    expect(seen).toEqual(['generated']);
  });

  it('answers on its admin port while it runs, and is ready only when it has started', async () => {
    const states: number[] = [];
    let adminUrl = '';
    const { host, running } = run(async ({ admin }) => {
      adminUrl = `http://127.0.0.1:${admin.port}`;
      states.push((await fetch(`${adminUrl}/readyz`)).status);
      return { ...idle, port: 4711 };
    });
    await running;
    states.push((await fetch(`${adminUrl}/readyz`)).status);
    const info = (await (await fetch(`${adminUrl}/info`)).json()) as { httpApiUrl: string };
    expect(states).toEqual([503, 200]);
    expect(info.httpApiUrl).toBe('http://localhost:4711/');
    host.emit('SIGTERM');
    await host.exited;
    await expect(fetch(`${adminUrl}/healthz`)).rejects.toThrow();
  });
});
