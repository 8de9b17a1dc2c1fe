import { Controller, HttpCode, Inject, OnModuleInit, Post, Req, Res } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { gatewayIdOf, messageFrame, ProtocolError } from '@hearth/protocol';
import {
  CONFIG,
  HearthConfig,
  Logger,
  LOGGER,
  Metrics,
  rawBody,
  SourceIp,
  sourceIpReader,
  Span,
  traced,
  Tracing,
  userAgentOf,
} from '@hearth/service';
import {
  AnswerTo,
  callGateway,
  ConnectionCredentials,
  GatewayRequest,
  StreamConnection,
  StreamUnavailableError,
} from '@hearth/stream';
import { Database, HistoryPage, listMessages, StoredMessage } from '@hearth/store';
import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { connectionCredentials, ListMessagesRequest, parseListMessages, parsePublishMessage } from './client-request';
import { allowOrigins } from './cors';

/** Connections that the process has opened for the client HTTP API. */
export interface HistoryConnections {
  readonly stream: StreamConnection;
  readonly database: Database;
}

export const HISTORY_CONNECTIONS = Symbol('HistoryConnections');

/** `meta` is always an object in history; clients read `meta.uid` without looking (client-http-api §3.2). */
const SERVER_META = '{"uid":null,"umd":null}';

/**
 * The client HTTP API (client-http-api §1–§4). It keeps nothing about connections: who may see or publish what is
 * asked of the gateway that owns the connection, on whatever node that is.
 */
@Controller('connection')
export class ConnectionController implements OnModuleInit {
  /** Endpoints of the protocol whose features this version does not offer (client-http-api §5–§8). */
  @Post([
    'listReactions',
    'channelStorageGet',
    'channelStorageSet',
    'channelStorageList',
    'getChannelInfo',
    'umdUpdate',
  ])
  notOffered(@Req() request: FastifyRequest): never {
    connectionCredentials(request.raw.url ?? '');
    throw new ProtocolError('NOT_IMPLEMENTED', 'this endpoint is not available yet');
  }

  private readonly sourceIp: SourceIp;

  constructor(
    private readonly host: HttpAdapterHost,
    @Inject(HISTORY_CONNECTIONS) private readonly connections: HistoryConnections,
    @Inject(CONFIG) private readonly config: HearthConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly metrics: Metrics,
    private readonly tracing: Tracing,
  ) {
    this.sourceIp = sourceIpReader(config);
  }

  onModuleInit(): void {
    allowOrigins(this.host.httpAdapter.getInstance<FastifyInstance>(), '/connection/', this.config.corsOrigins);
  }

  @Post('listMessages')
  @HttpCode(200)
  async listMessages(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    const credentials = connectionCredentials(request.raw.url ?? '');
    const question = parseListMessages(rawBody(request));
    const span = this.tracing.begin('history.listMessages', randomUUID());
    const { channel, messages } = await traced(span, this.visiblePage(credentials, question, span));
    void reply.header('content-type', 'application/json');
    return `{"messages":[${messages.map((message) => historyEntry(channel, message)).join(',')}]}`;
  }

  @Post('publishMessage')
  @HttpCode(202)
  async publishMessage(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    const credentials = connectionCredentials(request.raw.url ?? '');
    const message = parsePublishMessage(rawBody(request));
    const { id, channel } = await this.askGateway(credentials, {
      operation: 'publishMessage',
      ...message,
      sourceIp: this.sourceIp(request.raw),
      userAgent: userAgentOf(request.raw),
    });
    this.metrics.accepted.of('client').inc();
    void reply.header('content-type', 'application/json');
    return JSON.stringify({ id, event: message.event, channel });
  }

  /** The page as far as the connection may see it; `channel` is the real name. */
  private async visiblePage(
    credentials: ConnectionCredentials,
    { channel: name, ...page }: ListMessagesRequest,
    span: Span | undefined,
  ): Promise<{ channel: string; messages: StoredMessage[] }> {
    const question = { operation: 'listMessages', channel: name } as const;
    const { channel, sinceMs } = await traced(span?.child('history.gateway'), this.askGateway(credentials, question));
    const messages = await traced(span?.child('history.read'), this.readPage({ channel, sinceMs, ...page }));
    return { channel, messages };
  }

  /** Whatever keeps Postgres from answering, the client may ask again; why it did not is for the log. */
  private async readPage(page: HistoryPage): Promise<StoredMessage[]> {
    try {
      return await listMessages(this.connections.database.db, page);
    } catch (error) {
      this.logger.error({ err: error }, 'History could not be read');
      throw new ProtocolError('SERVICE_UNAVAILABLE', 'history cannot be read at the moment, try again', {
        cause: error,
      });
    }
  }

  private async askGateway<R extends GatewayRequest>(
    credentials: ConnectionCredentials,
    question: R,
  ): Promise<AnswerTo<R>> {
    const gatewayId = gatewayIdOf(credentials.connectionId);
    if (gatewayId === undefined) throw new ProtocolError('UNAUTHORIZED', 'connectionId: no such connection');
    try {
      return await callGateway(this.connections.stream, gatewayId, credentials, question, this.config.httpTimeoutMs);
    } catch (error) {
      if (!(error instanceof StreamUnavailableError)) throw error;
      throw new ProtocolError('SERVICE_UNAVAILABLE', `try again: ${error.message}`, { cause: error });
    }
  }
}

function historyEntry(channel: string, { id, event, data, meta }: StoredMessage): string {
  return messageFrame({ id, event, channel, dataJson: data, metaJson: meta ?? SERVER_META });
}
