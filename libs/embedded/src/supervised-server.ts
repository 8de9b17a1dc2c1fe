import { setTimeout as delay } from 'node:timers/promises';

/** A server that has been started. */
export interface RunningServer {
  /** With user name and password. */
  readonly url: string;
  /** Resolves with how it ended, whether stopped or not. */
  readonly ended: Promise<string>;
  /** Stops it when everything is on disk. */
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly dataDir: string;
  readonly log?: (line: string) => void;
  /** The port it has to have; when not given, that of the last start if it is free. */
  readonly port?: number | undefined;
  /** Ends a start that is under way. */
  readonly signal?: AbortSignal;
}

export interface SupervisedServerOptions {
  /** As messages call it, `nats-server`. */
  readonly name: string;
  /**
   * Starts it. Where it was before, at `url`, once it has run; clients know that address.
   *
   * @throws Error saying why not, also when `signal` says that it is no longer wanted; nothing is left running then
   */
  readonly start: (signal: AbortSignal, url?: string) => Promise<RunningServer>;
  /** Told of every end and every failed start, one line without secrets. */
  readonly warn: (line: string) => void;
  readonly log: (line: string) => void;
}

/** Before each start again, in ms. One failure more, and the server is given up. */
const pausesMs = [0, 1_000, 2_000, 4_000];
/** A server that ran for so long is well again: what fails later is another trouble. */
const steadyAfterMs = 60_000;

/** A server that is started again whenever it ends without being told to. */
export class SupervisedServer {
  readonly url: string;
  /** Resolves, with why, when the server was given up because it failed again and again. */
  readonly lost: Promise<string>;
  private readonly stopping = new AbortController();
  private readonly supervision: Promise<string | undefined>;
  private startedAt = performance.now();

  private constructor(
    private readonly options: SupervisedServerOptions,
    private server: RunningServer | undefined,
    url: string,
  ) {
    this.url = url;
    this.supervision = this.supervise();
    this.lost = new Promise((resolve) => {
      void this.supervision.then((reason) => {
        if (reason !== undefined) resolve(reason);
      });
    });
  }

  /** @throws Error when it does not start at the first attempt: that is for whoever set it up to mend */
  static async start(options: SupervisedServerOptions): Promise<SupervisedServer> {
    const server = await options.start(new AbortController().signal);
    return new SupervisedServer(options, server, server.url);
  }

  /** Stops it, also while it is being started again. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.server?.stop();
    await this.supervision;
  }

  /** @returns why it was given up, or undefined when it was stopped */
  private async supervise(): Promise<string | undefined> {
    const { name, warn } = this.options;
    const { signal } = this.stopping;
    let failures = 0;
    for (let failure = await this.untilEnded(); ; failure = await this.runAgain()) {
      if (signal.aborted) return undefined;
      failures = this.ranSteadily() ? 1 : failures + 1;
      const pauseMs = pausesMs[failures - 1];
      if (pauseMs === undefined)
        return `The embedded ${name} is given up after ${failures} failures in a row: it ${failure}`;
      warn(`The embedded ${name} is started again${pauseMs === 0 ? '' : ` in ${pauseMs / 1_000} s`}: it ${failure}`);
      await delay(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** One more run. @returns how it ended, or why there was none */
  private async runAgain(): Promise<string> {
    const { name, start, log } = this.options;
    const { signal } = this.stopping;
    const ended = this.server;
    this.server = undefined;
    try {
      // Clears up behind the one that has ended.
      await ended?.stop();
      signal.throwIfAborted();
      const server = await start(signal, this.url);
      if (signal.aborted || server.url !== this.url) {
        await server.stop();
        throw new Error('its data folder is not the same any more');
      }
      this.server = server;
      this.startedAt = performance.now();
    } catch (error) {
      return `did not start: ${(error as Error).message}`;
    }
    log(`The embedded ${name} runs again`);
    return this.untilEnded();
  }

  private async untilEnded(): Promise<string> {
    return `ended with ${await this.server?.ended}`;
  }

  /** Whether the last run was long enough to forget the failures before it. */
  private ranSteadily(): boolean {
    return this.server !== undefined && performance.now() - this.startedAt > steadyAfterMs;
  }
}
