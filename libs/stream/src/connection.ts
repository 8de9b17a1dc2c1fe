import { within } from '@hearth/timing';
import { readFileSync } from 'node:fs';
import { MAX_DATA_BYTES, OutageError } from '@hearth/protocol';
import {
  Authenticator,
  ConnectionOptions,
  credsAuthenticator,
  Events,
  JetStreamManager,
  Msg,
  NatsConnection,
} from 'nats';
import { firstConnection } from './first-connection';
import { LightRequests } from './light-requests';
import { connectByHand, LightSubscription } from './nats-by-hand';
import { isSupportedNats, SUPPORTED_NATS } from './nats-version';
import { StreamUpkeep } from './stream-upkeep';

const PING_TIMEOUT_MS = 2_000;
/** What a NATS server takes unless it is told otherwise. */
const DEFAULT_MAX_PAYLOAD = 1_048_576;

/**
 * What Hearth puts around a publisher's `data` at most, on its way in and to the clients: names, metadata, who sent it.
 */
export const ENVELOPE_BYTES = 65_536;
/** Else `data` of the allowed size could not be passed on. */
const LEAST_PAYLOAD = MAX_DATA_BYTES + ENVELOPE_BYTES;

export interface StreamConnectionOptions {
  /** `nats://` or `tls://` URLs; user and password or a token may be part of them. */
  readonly natsUrls: readonly string[];
  readonly natsToken?: string;
  readonly natsCredsFile?: string;
}

/** The part of a logger that is used here. */
export interface ConnectionLog {
  info(message: string): void;
  warn(message: string): void;
}

/** The parts of a starting process (`ServiceContext`) that its connection has to do with. */
export interface StartingProcess {
  /** Aborted when the process is told to end before it has started. */
  readonly interrupted: AbortSignal;
  readonly admin: { addCheck(name: string, check: () => Promise<unknown>): void };
}

/** NATS cannot be reached, or did not confirm in time. Nothing was lost that had been confirmed. */
export class StreamUnavailableError extends OutageError {
  override readonly name: string = 'StreamUnavailableError';
}

/** NATS is there, and so much waits already that it takes no more at the moment. */
export class StreamFullError extends StreamUnavailableError {
  override readonly name = 'StreamFullError';
}

/**
 * The one NATS connection of a process. It outlives every outage: it reconnects for ever and tells its users, who
 * then repeat or re-read what may have been lost meanwhile (bytes pending at a disconnect are dropped by the client).
 */
export class StreamConnection {
  private readonly reconnectListeners = new Set<() => void>();
  private connected = true;
  private upkeep: StreamUpkeep | undefined;
  private readonly requests: LightRequests;

  private constructor(
    /** For this library only: the others speak in its words. */
    readonly nats: NatsConnection,
    private readonly log: ConnectionLog,
    /** As they are shown. */
    private readonly servers: readonly string[],
  ) {
    this.connectByHand();
    this.requests = new LightRequests(nats);
    void this.watchStatus();
    void this.watchEnd();
  }

  /** Of the server that it is connected to. */
  get serverVersion(): string {
    return this.nats.info?.version ?? 'unknown';
  }

  /**
   * Connects, waiting for the first connection for as long as no server can be reached; warns meanwhile.
   *
   * @param service shown in NATS monitoring
   * @param starting gets the readiness check `nats` at once, and may end the wait: rejects with its reason then
   * @throws Error that names `HEARTH_NATS_URL` when the server is too old, takes too little in one message (`max_payload`), or does not take the credentials
   */
  static async open(
    options: StreamConnectionOptions,
    service: string,
    log: ConnectionLog,
    starting?: StartingProcess,
  ): Promise<StreamConnection> {
    const { servers, tls, user, pass, token } = parseNatsUrls(options.natsUrls);
    const settings: ConnectionOptions = {
      servers,
      name: `hearth-${service}`,
      tls: tls ? {} : undefined,
      user,
      pass,
      token: options.natsToken ?? token,
      authenticator: options.natsCredsFile === undefined ? undefined : authenticatorOf(options.natsCredsFile),
      // A dead peer is noticed after two missed pings.
      pingInterval: 5_000,
      maxPingOut: 2,
      noAsyncTraces: true,
    };
    let opened: StreamConnection | null = null;
    starting?.admin.addCheck('nats', async () => {
      if (opened === null) throw new StreamUnavailableError(`no connection to ${servers.join(', ')} yet`);
      await opened.ping();
    });
    const warn = (message: string): void => log.warn(message);
    const interrupted = starting?.interrupted ?? new AbortController().signal;
    const nats = await firstConnection(settings, servers, warn, interrupted);
    const refusal = refusalOf(nats, servers);
    if (refusal !== undefined) {
      await nats.close();
      throw new Error(refusal);
    }
    opened = new StreamConnection(nats, log, servers);
    return opened;
  }

  get isConnected(): boolean {
    return this.connected && !this.nats.isClosed();
  }

  /** Whether the server is one of several: a stream may change its leader while connections stay. */
  get isClustered(): boolean {
    return this.nats.info?.cluster !== undefined;
  }

  /** Bytes of the largest message that the server takes, headers included. */
  get maxPayload(): number {
    return this.nats.info?.max_payload ?? DEFAULT_MAX_PAYLOAD;
  }

  /** Calls the listener after every reconnect; returns a function that stops that. */
  onReconnect(listener: () => void): () => void {
    this.reconnectListeners.add(listener);
    return () => this.reconnectListeners.delete(listener);
  }

  /** @returns ends it */
  listen(subject: string, onMessage: (message: Msg) => void): () => void {
    const subscription = LightSubscription.begin(this.nats, subject, { hear: onMessage });
    return () => subscription.end();
  }

  /** Answers a request, if somebody waits for it and NATS is not closed: whoever asked has a deadline. */
  answer({ reply }: Msg, text: string): void {
    if (reply !== undefined) this.tell(reply, text);
  }

  /** Says something to whoever listens to the subject, if anybody does; nothing is confirmed. */
  tell(subject: string, text?: string): void {
    if (!this.nats.isClosed()) this.nats.publish(subject, text);
  }

  /**
   * Asks the server something that is asked often.
   *
   * @param timeoutMs the same for all
   * @throws TimeoutError
   */
  ask(subject: string, payload: string, timeoutMs: number): Promise<Msg> {
    return this.requests.ask(subject, payload, timeoutMs);
  }

  /** JetStream's management API. */
  manager(): Promise<JetStreamManager> {
    return this.nats.jetstreamManager({ checkAPI: false });
  }

  /**
   * Has streams made again whenever they are missing, from now on.
   *
   * @param ensure makes those that are missing; resolves with their names when all exist and answer
   */
  keepStreams(ensure: () => Promise<readonly string[]>): StreamUpkeep {
    this.upkeep = new StreamUpkeep(ensure, (message) => this.log.warn(message));
    return this.upkeep;
  }

  /** A message has found no stream. */
  missStream(): void {
    this.upkeep?.lookSoon();
  }

  /** A stream could not store a message. */
  missDisk(why: string): void {
    this.upkeep?.noteUnstored(why);
  }

  /** Rejects unless the server answers soon. */
  async ping(): Promise<void> {
    if (!this.isConnected) throw new StreamUnavailableError('NATS is not connected');
    await within(PING_TIMEOUT_MS, this.nats.flush());
  }

  async close(): Promise<void> {
    this.reconnectListeners.clear();
    this.upkeep?.stop();
    this.requests.close();
    await this.nats.close();
  }

  private connectByHand(): void {
    connectByHand(this.nats, ({ message }) => this.log.warn(`What NATS sent cannot be read: ${message}`));
  }

  /** The client library gives up by itself when a server refuses the credentials that it took before. */
  private async watchEnd(): Promise<void> {
    const error = await this.nats.closed();
    if (!(error instanceof Error)) return;
    // Nobody waits for this: it ends the process, and the next start says what is wrong, or has other credentials.
    throw new Error(`NATS closed the connection for good (HEARTH_NATS_URL): ${error.message}`, { cause: error });
  }

  private async watchStatus(): Promise<void> {
    for await (const { type } of this.nats.status()) {
      if (type === Events.Disconnect) {
        this.connected = false;
        this.log.warn('NATS disconnected');
      } else if (type === Events.Reconnect) {
        const refusal = refusalOf(this.nats, this.servers);
        // Nobody waits for this either. What was accepted is safe for as long as nothing works on an older server.
        if (refusal !== undefined) throw new Error(refusal);
        this.connectByHand();
        this.connected = true;
        this.log.info('NATS reconnected');
        void this.upkeep?.look();
        for (const listener of this.reconnectListeners) listener();
      }
    }
  }
}

/** Why the server that we are connected to must not be used; undefined when it may. */
function refusalOf({ info }: NatsConnection, servers: readonly string[]): string | undefined {
  if (info === undefined) return undefined;
  const nats = `NATS at ${servers.join(', ')} (HEARTH_NATS_URL)`;
  if (!isSupportedNats(info.version)) return `${nats} is version ${info.version}, and Hearth needs ${SUPPORTED_NATS}`;
  if (info.max_payload >= LEAST_PAYLOAD) return undefined;
  return `${nats} takes messages of at most ${info.max_payload} bytes, and Hearth needs ${LEAST_PAYLOAD}: set max_payload in its configuration, 8MB is best`;
}

/** @throws Error that names the variable when the file's seed is none: the client library would try for ever */
function authenticatorOf(credsFile: string): Authenticator {
  const authenticator = credsAuthenticator(readFileSync(credsFile));
  try {
    authenticator('nonce');
  } catch (error) {
    throw new Error('HEARTH_NATS_CREDS_FILE: its seed is not valid', { cause: error });
  }
  return authenticator;
}

interface NatsServers {
  readonly servers: string[];
  readonly tls: boolean;
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
}

/** The client library takes credentials beside the addresses, a URL carries them inside. */
function parseNatsUrls(list: readonly string[]): NatsServers {
  const urls = list.map((text) => new URL(text.includes('://') ? text : `nats://${text}`));
  const servers = urls.map((url) => `${url.hostname}:${url.port === '' ? '4222' : url.port}`);
  const tls = urls.some((url) => url.protocol === 'tls:');
  const named = urls.find((url) => url.username !== '');
  if (named === undefined) return { servers, tls };
  const user = decodeURIComponent(named.username);
  if (named.password === '') return { servers, tls, token: user };
  return { servers, tls, user, pass: decodeURIComponent(named.password) };
}
