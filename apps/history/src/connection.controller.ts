import { Controller, HttpCode, Inject, OnModuleInit, Post, Req } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { historyMessage, idTimeMs, ProtocolError } from '@hearth/protocol';
import { HearthConfig } from '@hearth/config';
import { AddressLimits, Audit, CONFIG, Metrics, rawBody, originReader, Span, traced, Tracing } from '@hearth/runtime';
import type { ConnectionCredentials } from '@hearth/stream';
import {
  Db,
  findMessage,
  ListedReaction,
  listMessages,
  listReactions,
  readChannelInfo,
  StoredMessage,
} from '@hearth/store';
import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ClientCalls } from './client-calls';
import {
  Credentials,
  ListMessagesRequest,
  parseGetChannelInfo,
  parseListMessages,
  parseListReactions,
  parsePublishMessage,
  parseUmdUpdate,
} from './client-request';
import { allowOrigins } from './cors';
import { limitWrongCredentials } from './wrong-credentials';

/**
 * The client HTTP API (client-http-api §1–§5, §7, §8). It keeps nothing about connections: who may see or publish what is
 * asked of the gateway that owns the connection, on whatever node that is.
 */
@Controller('connection')
export class ConnectionController implements OnModuleInit {
  private readonly originOf: ReturnType<typeof originReader>;

  constructor(
    private readonly host: HttpAdapterHost,
    private readonly calls: ClientCalls,
    @Inject(CONFIG) private readonly config: HearthConfig,
    private readonly metrics: Metrics,
    private readonly tracing: Tracing,
    private readonly addresses: AddressLimits,
    private readonly audit: Audit,
  ) {
    this.originOf = originReader(config);
  }

  onModuleInit(): void {
    const server = this.host.httpAdapter.getInstance<FastifyInstance>();
    allowOrigins(server, '/connection/', this.config.corsOrigins);
    limitWrongCredentials(server, '/connection/', this.addresses, this.audit, this.config);
  }

  @Post('listMessages')
  @HttpCode(200)
  async listMessages(
    @Credentials() credentials: ConnectionCredentials,
    @Req() request: FastifyRequest,
  ): Promise<string> {
    const question = parseListMessages(rawBody(request));
    const span = this.tracing.begin('history.listMessages', randomUUID());
    const messages = await traced(span, this.visiblePage(request, credentials, question, span));
    const empty = question.expandReactions ? '{}' : null;
    return `{"messages":[${messages.map((message) => historyMessage(message, message.reactions ?? empty)).join(',')}]}`;
  }

  @Post('listReactions')
  @HttpCode(200)
  async listReactions(
    @Credentials() credentials: ConnectionCredentials,
    @Req() request: FastifyRequest,
  ): Promise<string> {
    const { channel: name, messageId } = parseListReactions(rawBody(request));
    const { channel, sinceMs } = await this.calls.ask(request, credentials, {
      operation: 'listReactions',
      channel: name,
    });
    const reactions = await this.calls.read(request, credentials, (db) =>
      visibleReactions(db, channel, messageId, sinceMs),
    );
    return `{"reactions":[${reactions.map(reactionEntry).join(',')}]}`;
  }

  @Post('publishMessage')
  @HttpCode(202)
  async publishMessage(
    @Credentials() credentials: ConnectionCredentials,
    @Req() request: FastifyRequest,
  ): Promise<string> {
    const { reaction, ...message } = parsePublishMessage(rawBody(request));
    const origin = this.originOf(request.raw);
    const accepted =
      reaction === undefined
        ? await this.calls.ask(request, credentials, { operation: 'publishMessage', ...message, ...origin })
        : await this.calls.ask(request, credentials, {
            operation: 'react',
            channel: message.channel,
            ...reaction,
            ...origin,
          });
    const { channel, id, scheduleArn } = { id: null, scheduleArn: undefined, ...accepted };
    this.metrics.accepted.of('client').inc();
    return JSON.stringify({ id, event: message.event, channel, scheduleArn });
  }

  /** The page as far as the connection may see it. */
  private async visiblePage(
    request: FastifyRequest,
    credentials: ConnectionCredentials,
    { channel: name, expandReactions, ...page }: ListMessagesRequest,
    span: Span | undefined,
  ): Promise<StoredMessage[]> {
    const question = { operation: 'listMessages', channel: name } as const;
    const { channel, sinceMs } = await traced(
      span?.child('history.gateway'),
      this.calls.ask(request, credentials, question),
    );
    const reactions = expandReactions ? 'items' : 'count';
    const wanted = { channel, sinceMs, ...page, reactions } as const;
    return traced(
      span?.child('history.read'),
      this.calls.read(request, credentials, (db) => listMessages(db, wanted)),
    );
  }

  @Post('getChannelInfo')
  @HttpCode(200)
  async getChannelInfo(
    @Credentials() credentials: ConnectionCredentials,
    @Req() request: FastifyRequest,
  ): Promise<string> {
    const question = parseGetChannelInfo(rawBody(request));
    const { channel } = await this.calls.ask(request, credentials, { operation: 'getChannelInfo', ...question });
    const { subscriptionsCount, membersJson } = await this.calls.read(request, credentials, (db) =>
      readChannelInfo(db, channel),
    );
    const members = membersJson === undefined ? '' : `,"members":${membersJson}`;
    return `{"channel":${JSON.stringify(channel)},"subscriptionsCount":${subscriptionsCount}${members}}`;
  }

  @Post('umdUpdate')
  @HttpCode(200)
  async umdUpdate(@Credentials() credentials: ConnectionCredentials, @Req() request: FastifyRequest): Promise<object> {
    const update = parseUmdUpdate(rawBody(request));
    await this.calls.ask(request, credentials, { operation: 'umdUpdate', ...update });
    return {};
  }
}

/** @param sinceMs oldest visible instant, ms since 1970 */
async function visibleReactions(
  db: Db,
  channel: string,
  messageId: string,
  sinceMs: number,
): Promise<ListedReaction[]> {
  // The gateway has seen to it that everything accepted before can be read.
  const settled = () => Promise.resolve();
  if (idTimeMs(messageId) < sinceMs || (await findMessage(db, channel, messageId, settled)) === undefined) {
    throw new ProtocolError('MESSAGE_NOT_FOUND', `messageId: there is no such message in ${channel}`);
  }
  return listReactions(db, channel, messageId);
}

/** `umd` is left out where there is none (client-http-api §5). */
function reactionEntry({ reaction, uidJson, umdJson }: ListedReaction): string {
  const umd = umdJson === 'null' ? '' : `,"umd":${umdJson}`;
  return `{"reaction":${JSON.stringify(reaction)},"uid":${uidJson}${umd}}`;
}
