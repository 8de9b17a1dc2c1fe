import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { OutageError, ProtocolError, protocolErrorOf, retryAfter } from '@hearth/protocol';
import { bearerToken, isSecret } from '../http/api-keys';
import { headProblem, MAX_HEADERS } from '../http/host-header';
import { listenError } from '../http/listen-error';
import { HEAD_TIMEOUT_MS, SLOW_CHECK_MS } from '../http/request-times';
import { limitPeers } from '../http/peers';
import { sourceIpReader } from '../http/client-origin';
import type { AddressLimits } from '../limits/address-limits';
import { partsOf, type UnreadAnswers } from '../http/unread-answers';
import { targetHost } from '../http/upgradable-request';
import { redactText } from '../log/redaction';
import { within } from '@hearth/timing';
import { isKnownHost } from './known-host';

/** Resolves when the thing is usable, rejects with the reason when it is not. */
export type ReadinessCheck = () => Promise<unknown>;

/** A path that a service adds to the admin port. */
export interface AdminRoute {
  readonly method: 'GET' | 'POST';
  /** Matches the whole path; its groups are the parameters. */
  readonly path: RegExp;
  /** Only for whoever has the admin token. */
  readonly isGuarded?: boolean;
  readonly answer: (parameters: readonly string[], query: URLSearchParams) => Promise<AdminAnswer>;
}

export interface AdminAnswer {
  readonly status: number;
  /** An object is sent as JSON, text as the text format of Prometheus. */
  readonly body: object | string;
}

export interface AdminServerOptions {
  readonly host: string;
  /** `0` = any free port. */
  readonly port: number;
  /** Answer of `/metrics`. */
  readonly metrics: () => Promise<string>;
  /** Answer of `/info`; must not contain secrets. */
  readonly info: () => object;
  /** Names under which it may be asked beside those that are its own anyway (`isKnownHost`). */
  readonly names?: readonly string[];
  /** What guarded routes want; `undefined`: nobody may use them. */
  readonly token?: () => string | undefined;
  /** What one address may cost; absent: whatever it likes. */
  readonly addresses?: AddressLimits;
  /** Counts answers that wait; absent: they do not count. */
  readonly unread?: UnreadAnswers;
}

/**
 * Looks on while a credential is checked.
 *
 * @returns whether it is right
 * @throws ProtocolError for whoever may show none at the moment
 */
export type CredentialGuard = (request: IncomingMessage, isRight: () => boolean) => boolean;

/** A check that hangs is a failed check: probes of orchestrators give up after a few seconds themselves. */
const CHECK_TIMEOUT_MS = 2_000;

/**
 * The admin port (configuration §3): `/healthz` (the process is up), `/readyz` (every check passes and we are not
 * draining), `/metrics`, `/info`, and what a service adds. It has its own HTTP server, apart from the public one, so that it answers while
 * that one is overloaded or closing, and cannot be reached from outside by accident. Node's own server and not Fastify:
 * services add routes while it listens, which Fastify refuses.
 */
export class AdminServer {
  readonly #checks = new Map<string, ReadinessCheck>();
  readonly #routes: AdminRoute[];
  readonly #server: Server;
  #draining = false;
  #metrics: Promise<string> | undefined;
  #guard: CredentialGuard = (_request, isRight) => isRight();

  constructor(private readonly options: AdminServerOptions) {
    // Nothing that is asked here has a body, so the whole request has no longer than its head.
    const times = {
      headersTimeout: HEAD_TIMEOUT_MS,
      requestTimeout: HEAD_TIMEOUT_MS,
      connectionsCheckingInterval: SLOW_CHECK_MS,
    };
    this.#server = createServer(
      // Without a Host it is answered below, with a body.
      { ...times, ...partsOf(options.unread), requireHostHeader: false },
      (request, response) => void this.answer(request, response),
    );
    this.#server.maxHeadersCount = MAX_HEADERS;
    limitPeers(this.#server, options.addresses, peerOf);
    this.#server.on('checkExpectation', (_request, response: ServerResponse) => {
      response.writeHead(417, { 'content-type': TEXT, connection: 'close' });
      response.end('Expect: 100-continue is all that may be expected\n');
    });
    this.#routes = [
      { method: 'GET', path: /^\/healthz$/, answer: async () => ({ status: 200, body: { status: 'up' } }) },
      { method: 'GET', path: /^\/readyz$/, answer: () => this.readiness() },
      { method: 'GET', path: /^\/metrics$/, answer: async () => ({ status: 200, body: await this.metrics() }) },
      { method: 'GET', path: /^\/info$/, answer: async () => ({ status: 200, body: options.info() }) },
    ];
  }

  /** Adds a check that `/readyz` runs; `name` becomes a member of its answer. */
  addCheck(name: string, check: ReadinessCheck): void {
    this.#checks.set(name, check);
  }

  addRoute(route: AdminRoute): void {
    this.#routes.push(route);
  }

  /** Has `guard` look on whenever somebody shows the admin token here. */
  guardedBy(guard: CredentialGuard): void {
    this.#guard = guard;
  }

  /** Resolves with the bound address. Rejects, naming the variable, when the port is taken or there is no such address. */
  async start(): Promise<AddressInfo> {
    this.#server.listen(this.options.port, this.options.host);
    await once(this.#server, 'listening').catch((error: unknown) => {
      throw listenError(error, this.options, 'admin');
    });
    return this.#server.address() as AddressInfo;
  }

  /** The port that is really bound, once started. */
  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? this.options.port;
  }

  /** From now on `/readyz` answers 503, so that load balancers send new work elsewhere. */
  drain(): void {
    this.#draining = true;
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, url = '/', headers } = request;
    const [path = '/', query] = url.split('?', 2);
    const send = (status: number, type: string, body: string, allow = 'GET, HEAD'): void => {
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store', allow });
      response.end(method === 'HEAD' ? undefined : body);
    };
    try {
      const problem = headProblem(request);
      if (problem !== undefined) {
        response.setHeader('connection', 'close');
        return send(problem.status, TEXT, `${problem.message}\n`);
      }
      const { names = [] } = this.options;
      if (![headers.host, targetHost(request)].every((host) => isKnownHost(host, names))) {
        return send(403, TEXT, 'not under this name: HEARTH_ADMIN_NAMES says which there are\n');
      }
      const routes = this.#routes.filter((route) => route.path.test(path));
      if (routes.length === 0) return send(404, TEXT, 'not found\n');
      const allow = routes.map((route) => (route.method === 'GET' ? 'GET, HEAD' : route.method)).join(', ');
      const route = routes.find((one) => one.method === (method === 'HEAD' ? 'GET' : method));
      if (route === undefined) return send(405, TEXT, 'method not allowed\n', allow);
      // Any web page may have a browser on this machine send a POST here; then the browser names the page.
      if (method === 'POST' && headers.origin !== undefined) return send(403, TEXT, 'not for web pages\n', allow);
      if (route.isGuarded === true && !this.#guard(request, () => this.mayPass(headers))) {
        response.setHeader('www-authenticate', 'Bearer');
        return send(401, TEXT, 'only with "Authorization: Bearer" and HEARTH_ADMIN_TOKEN, which must be set\n', allow);
      }
      const { status, body } = await route.answer(route.path.exec(path)?.slice(1) ?? [], new URLSearchParams(query));
      if (typeof body === 'string') send(status, PROMETHEUS, body, allow);
      else send(status, 'application/json', `${JSON.stringify(body, null, 2)}\n`, allow);
    } catch (error) {
      if (error instanceof ProtocolError || error instanceof OutageError) {
        const told = protocolErrorOf(error);
        const seconds = retryAfter(told);
        if (seconds !== undefined) response.setHeader('retry-after', seconds);
        return send(told.status, TEXT, `${told.message}\n`);
      }
      response.writeHead(500, { 'content-type': TEXT }).end(redactText(`${(error as Error).message}\n`));
    }
  }

  private mayPass(headers: IncomingHttpHeaders): boolean {
    const token = this.options.token?.();
    const given = bearerToken(headers);
    return token !== undefined && given !== undefined && isSecret(given, token);
  }

  /** Those who ask at once get one text: it takes 3 ms to write. */
  private metrics(): Promise<string> {
    this.#metrics ??= this.options.metrics().finally(() => (this.#metrics = undefined));
    return this.#metrics;
  }

  private async readiness(): Promise<AdminAnswer> {
    const results = await Promise.all(
      [...this.#checks].map(async ([name, check]) => [name, await outcomeOf(check)] as const),
    );
    const failed = results.some(([, outcome]) => outcome !== 'ok');
    const status = this.#draining ? 'draining' : failed ? 'not ready' : 'ready';
    return { status: status === 'ready' ? 200 : 503, body: { status, checks: Object.fromEntries(results) } };
  }
}

/** It is not asked through proxies. */
export const peerOf = sourceIpReader({ trustedProxies: [] });

const TEXT = 'text/plain; charset=utf-8';
const PROMETHEUS = 'text/plain; version=0.0.4; charset=utf-8';

/** `ok`, or why not, in a form that may be shown. */
async function outcomeOf(check: ReadinessCheck): Promise<string> {
  try {
    await within(CHECK_TIMEOUT_MS, check());
    return 'ok';
  } catch (error) {
    return redactText(error instanceof Error ? error.message : 'failed');
  }
}
