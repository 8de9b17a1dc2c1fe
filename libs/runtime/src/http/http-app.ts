import { errorBody, ProtocolError, type ErrorCode } from '@hearth/protocol';
import type { DynamicModule, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { HearthConfig } from '@hearth/config';
import { headProblem, MAX_HEADERS } from './host-header';
import { addDeadline } from './http-deadline';
import { sourceIpReader } from './client-origin';
import type { AddressLimits } from '../limits/address-limits';
import { bodyInTurn } from './call-order';
import { readBody } from './http-body';
import { FOR_ANY_PAGE, sendError } from './http-errors';
import { rememberRoutes } from './http-routes';
import { listenError } from './listen-error';
import { OpenSockets } from './open-sockets';
import { limitPeers } from './peers';
import { PlainPosts, type Sender } from './plain-posts';
import { NestLogger, type Logger } from '../log/logger';
import { ProtocolExceptionFilter } from './protocol-exception-filter';
import { HEAD_TIMEOUT_MS, SLOW_CHECK_MS } from './request-times';
import { partsOf, type UnreadAnswers } from './unread-answers';

export type HttpConfig = Pick<
  HearthConfig,
  | 'maxHeaderBytes'
  | 'maxBodyBytes'
  | 'httpTimeoutMs'
  | 'maxConnections'
  | 'tlsCertFile'
  | 'tlsKeyFile'
  | 'trustedProxies'
>;

/** Load balancers keep idle connections for 60 s and must be the side that closes, or a request is lost in between. */
const KEEP_ALIVE_MS = 72_000;
/** A body may take this many times as long as the headers. */
const BODY_TIME_FACTOR = 4;
/** HTTP connections beside the WebSockets. The gateway answers 503 at its limit; this is the wall behind it. */
const HTTP_CONNECTIONS = 2_000;
/** A client that has sent nothing for so long waits for its answer. */
const SILENT_MS = 500;
/** Channel names have up to 256 characters, 12 bytes each at worst when percent-encoded; parsers refuse longer ones. */
const MAX_PARAMETER_CHARACTERS = 16_384;

/**
 * Builds, but does not start, the Nest application of one process: `await listen(app, config)`.
 *
 * Bodies arrive as raw bytes whatever their Content-Type (`rawBody`); every error, also those of the HTTP parser and
 * the router, has the shape of publish-api §9; duplicate slashes count as one. WebSocket upgrades are for whoever listens on `app.getHttpServer()`.
 *
 * @param timeUp cuts off who still keeps it from closing
 * @param addresses what one address may cost; absent: whatever it likes
 * @param unread counts answers that wait; absent: they do not count
 */
export async function createHttpApp(
  module: Type | DynamicModule,
  config: HttpConfig,
  logger: Logger,
  timeUp?: AbortSignal,
  addresses?: AddressLimits,
  unread?: UnreadAnswers,
): Promise<NestFastifyApplication> {
  const instance: FastifyInstance = fastify(optionsOf(config, logger, unread));
  takeRawBodies(instance, config.maxBodyBytes);
  answerUnknownRoutes(instance, logger);
  addDeadline(instance, config.httpTimeoutMs, (reply, error) => sendError(reply, error, logger));
  const addressOf = sourceIpReader(config);
  limitPeers(instance.server, addresses, addressOf);
  const sockets = new OpenSockets(instance.server);
  drainSockets(instance, sockets, timeUp);
  const takeRequest = (sender: Sender): number => addresses?.takeRequest(addressOf(sender), sender) ?? 0;
  const countUnread = (socket: Socket, bytes: number) => unread?.add(socket, bytes) ?? (() => undefined);
  instance.decorate(
    'plainPosts',
    new PlainPosts(instance, sockets, config.maxHeaderBytes, logger, takeRequest, countUnread),
  );
  answerInShape(instance, logger);
  listenToTheEnd(instance);
  instance.server.headersTimeout = headTimeoutMs(config);
  instance.server.maxHeadersCount = MAX_HEADERS;
  if (config.maxConnections > 0) instance.server.maxConnections = config.maxConnections + HTTP_CONNECTIONS;
  const app = await NestFactory.create<NestFastifyApplication>(module, adapterOf(instance), {
    logger: new NestLogger(logger),
    bodyParser: false,
    abortOnError: false,
  });
  app.useGlobalFilters(new ProtocolExceptionFilter(logger));
  return app;
}

/** Opens the application's door. Rejects, naming the variable, when the port is taken or there is no such address. */
export async function listen(app: NestFastifyApplication, config: Pick<HearthConfig, 'host' | 'port'>): Promise<void> {
  await app.listen(config.port, config.host).catch((error: unknown) => {
    throw listenError(error, config, 'public');
  });
}

/** The bytes of the request body; empty when there was none. */
export function rawBody(request: Pick<FastifyRequest, 'body'>): Buffer {
  return Buffer.isBuffer(request.body) ? request.body : EMPTY;
}

const EMPTY = Buffer.alloc(0);

/** Tells whether whoever sent a request still waits for its answer. */
export function isAwaited({ raw }: Pick<FastifyRequest, 'raw'>): () => boolean {
  return () => !raw.socket.destroyed;
}

/** Nest registers its own answers for unknown paths and errors late; ours are in place already and stay. */
class HearthHttpAdapter extends FastifyAdapter {
  /** The text that a controller gives is JSON. */
  override reply(...answer: Parameters<FastifyAdapter['reply']>): ReturnType<FastifyAdapter['reply']> {
    const [reply] = answer;
    // The deadline was over first (`http-errors.ts`).
    if ('raw' in reply && reply.raw.headersSent) return reply;
    if (typeof answer[1] === 'string' && 'header' in reply) void reply.header('content-type', 'application/json');
    return super.reply(...answer);
  }

  override setErrorHandler(): never {
    return undefined as never;
  }

  override setNotFoundHandler(): never {
    return undefined as never;
  }
}

/**
 * Nest over the Fastify of our own package.json. The one Nest brings along (5.11) binds an AsyncResource per body, which
 * doubled the cost of a small POST: 88 instead of 42 µs of CPU. The two differ in type only; `skipMiddie` leaves out
 * the host of Express middleware, which nobody uses here and which would look at every request.
 */
function adapterOf(instance: FastifyInstance): FastifyAdapter {
  return new HearthHttpAdapter(Object.assign(instance, { skipMiddie: true }) as never);
}

function headTimeoutMs({ httpTimeoutMs }: HttpConfig): number {
  return Math.min(httpTimeoutMs, HEAD_TIMEOUT_MS);
}

function optionsOf(config: HttpConfig, logger: Logger, unread: UnreadAnswers | undefined) {
  const http = {
    maxHeaderSize: config.maxHeaderBytes,
    connectionsCheckingInterval: SLOW_CHECK_MS,
    ...partsOf(unread),
    // Answered here, with a body.
    requireHostHeader: false,
  };
  const tls = tlsOf(config);
  return {
    ...(tls === undefined ? { http } : { https: { ...http, ...tls } }),
    requestTimeout: config.httpTimeoutMs * BODY_TIME_FACTOR,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // What is in flight when the listener closes is still answered.
    return503OnClosing: false,
    routerOptions: { ignoreDuplicateSlashes: true, maxParamLength: MAX_PARAMETER_CHARACTERS },
    frameworkErrors: (error: Error, _request: unknown, reply: unknown) =>
      sendError((reply as FastifyReply).headers(FOR_ANY_PAGE), error, logger),
    clientErrorHandler: answerBrokenRequest,
  };
}

function drainSockets(instance: FastifyInstance, sockets: OpenSockets, timeUp: AbortSignal | undefined): void {
  instance.addHook('preClose', async () => sockets.drain());
  timeUp?.addEventListener('abort', () => sockets.hurry());
}

function tlsOf(config: HttpConfig) {
  const { tlsCertFile, tlsKeyFile } = config;
  if (tlsCertFile === undefined || tlsKeyFile === undefined) return undefined;
  const handshakeTimeout = headTimeoutMs(config);
  return { handshakeTimeout, cert: readFileSync(tlsCertFile), key: readFileSync(tlsKeyFile) };
}

/** A media type Fastify would accept; anything else it refuses although nobody asked it to look. */
const MEDIA_TYPE = /^\s*[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+\s*(;|$)/;

/** AWS SDKs send `application/octet-stream`, browsers `text/plain`, some clients nothing at all (publish-api §1). */
function takeRawBodies(instance: FastifyInstance, maxBytes: number): void {
  instance.removeAllContentTypeParsers();
  instance.addContentTypeParser('*', async ({ raw }: FastifyRequest) =>
    bodyInTurn(raw.socket, await readBody(raw, maxBytes)),
  );
  instance.addHook('onRequest', ({ raw: { headers } }, _reply, done) => {
    const type = headers['content-type'];
    if (type !== undefined && !MEDIA_TYPE.test(type)) delete headers['content-type'];
    done();
  });
}

/** What Node's server would refuse by itself, without a body. */
function answerInShape(instance: FastifyInstance, logger: Logger): void {
  instance.addHook('onRequest', ({ raw }, reply, done) => {
    const problem = headProblem(raw);
    if (problem === undefined) return done();
    // As Node does it: whoever leaves it out may not have meant what comes next either.
    sendError(reply.headers({ ...FOR_ANY_PAGE, connection: 'close' }), problem, logger);
  });
  instance.server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
    const error = new ProtocolError('MALFORMED_MESSAGE', 'Expect: 100-continue is all that may be expected', {
      status: 417,
    });
    const body = JSON.stringify(errorBody(error));
    response.writeHead(error.status, {
      ...FOR_ANY_PAGE,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      connection: 'close',
    });
    response.end(body);
  });
}

/**
 * With `Connection: close`, as nginx and many clients send it, Node closes as soon as it has answered. Whoever still sends a
 * body then, because it was refused early, sees a broken pipe instead of the answer: so that waits for the end of the body,
 * which is dropped, or until nothing more comes. `requestTimeout` bounds how long.
 */
function listenToTheEnd(instance: FastifyInstance): void {
  instance.addHook('onRequest', ({ raw: request }, { raw: response }, done) => {
    if (!response.shouldKeepAlive) endAfter(request, response);
    done();
  });
}

function endAfter(request: IncomingMessage, response: ServerResponse): void {
  const end = response.end.bind(response) as (...answer: unknown[]) => ServerResponse;
  response.end = ((...answer: unknown[]) => {
    if (request.complete) return end(...answer);
    const send = (): void => {
      clearTimeout(silence);
      request.off('end', send).off('data', goOn);
      end(...answer);
    };
    const silence = setTimeout(send, SILENT_MS);
    const goOn = (): void => void silence.refresh();
    request.once('end', send).on('data', goOn).resume();
    return response;
  }) as ServerResponse['end'];
}

function answerUnknownRoutes(instance: FastifyInstance, logger: Logger): void {
  const routes = rememberRoutes(instance);
  instance.setErrorHandler((error, _request, reply) => {
    // Fastify closes the connection under a body that is too large, and a client that still sends sees a broken pipe
    // instead of the answer. Node reads and drops the rest; `requestTimeout` bounds how long.
    if (reply.getHeader('connection') === 'close') reply.removeHeader('connection');
    sendError(reply, error, logger);
  });
  instance.setNotFoundHandler((request: FastifyRequest, reply: FastifyReply) => {
    const methods = routes.methodsOf(request.raw.url ?? '');
    if (methods.length === 0) {
      sendError(reply, new ProtocolError('NOT_FOUND', 'There is nothing at this path'), logger);
    } else {
      reply.header('allow', methods.join(', '));
      sendError(reply, new ProtocolError('METHOD_NOT_ALLOWED', `Allowed here: ${methods.join(', ')}`), logger);
    }
  });
}

/** What Node's HTTP parser refuses never becomes a request: the answer is written to the bare socket. */
function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (socket.destroyed) return;
  // A connection that is broken, or on which TLS did not begin in time, takes no answer: it would wait for ever.
  if (!/^(HPE|ERR_HTTP)_/.test(error.code ?? '')) return void socket.destroy();
  if (socket.writable) socket.write(brokenRequestAnswer(error.code));
  socket.destroySoon();
}

function brokenRequestAnswer(reason: string | undefined): string {
  if (reason === 'ERR_HTTP_REQUEST_TIMEOUT')
    return plainAnswer(408, 'MALFORMED_MESSAGE', 'The request came too slowly');
  if (reason === 'HPE_HEADER_OVERFLOW') return plainAnswer(431, 'PAYLOAD_TOO_LARGE', 'The headers are too large');
  return plainAnswer(400, 'MALFORMED_MESSAGE', 'This is not a valid HTTP request');
}

function plainAnswer(status: number, code: ErrorCode, message: string): string {
  const body = JSON.stringify(errorBody(new ProtocolError(code, message)));
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    ...Object.entries(FOR_ANY_PAGE).map(([name, value]) => `${name}: ${value}`),
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n');
}
