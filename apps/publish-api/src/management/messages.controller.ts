import { checkedChannel, historyMessage, idTimeMs, isUlid, ProtocolError, utcInstant } from '@hearth/protocol';
import { Database, findMessage, type FoundMessage, type HistoryPage, listMessages } from '@hearth/store';
import {
  type DeliveryTrace,
  findDelivered,
  IngestPublisher,
  lastDelivered,
  StreamConnection,
  traceKey,
} from '@hearth/stream';
import { type DeliverRecord, mergeParts, placeNumber } from '@hearth/wire';
import { isAwaited } from '@hearth/runtime';
import { Controller, Get, Param, Query, Req, UseGuards } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ManagerGuard } from '../callers';
import { Gateways } from './gateways';
import { deliveryQuery, messagesQuery } from './list-query';

type Parameters = Readonly<Record<string, unknown>>;

/** Connections of one user in an answer. */
const MOST_CONNECTIONS = 100;
/** In place of an id: what the deliver stream holds last of the channel. */
const NEWEST = 'last';
/** Everything that is stored, whoever may see it. */
const ALWAYS_MS = 0;

interface Found {
  readonly id: string;
  /** As the gateways got it; absent when the deliver stream does not hold it any more. */
  readonly record?: DeliverRecord;
  readonly stored?: FoundMessage;
}

/** What is stored of a channel, and what became of a message (management-api §2). */
@Controller('channels/:name/messages')
@UseGuards(ManagerGuard)
export class MessagesController {
  constructor(
    private readonly gateways: Gateways,
    private readonly database: Database,
    private readonly ingest: IngestPublisher,
    private readonly stream: StreamConnection,
  ) {}

  @Get()
  async list(
    @Param('name') channel: string,
    @Query() parameters: Parameters,
    @Req() request: FastifyRequest,
  ): Promise<string> {
    checkedChannel(channel);
    const query = messagesQuery(parameters);
    await this.ingest.perform({ kind: 'barrier', channel });
    const page: HistoryPage = { channel, sinceMs: ALWAYS_MS, ...query, reactions: 'count' };
    const read = (wanted: HistoryPage) =>
      this.database.readFor(channel, (db) => listMessages(db, wanted), { isWanted: isAwaited(request) });
    const messages = await read(page);
    const last = messages.at(-1)?.id;
    const rest = { ...page, [query.reverse ? 'before' : 'after']: last, limit: 1 };
    const isLast = last === undefined || (await read(rest)).length === 0;
    const entries = messages.map((message) => historyMessage(message, message.reactions));
    return `{"messages":[${entries.join(',')}],"next":${isLast ? 'null' : JSON.stringify(last)}}`;
  }

  /** Why somebody got a message, or did not. */
  @Get(':id/delivery')
  async delivery(
    @Param('name') channel: string,
    @Param('id') givenId: string,
    @Query() parameters: Parameters,
  ): Promise<object> {
    checkedChannel(channel);
    const who = deliveryQuery(parameters);
    const { id, record, stored } = await this.find(channel, givenId);
    const atMs = idTimeMs(id);
    const { position, exceptConnectionId } = record ?? {};
    const rollCall = this.gateways.rollCall();
    const ask = { channel, who, position, atMs, exceptConnectionId, limit: MOST_CONNECTIONS };
    const parts = await rollCall.ask('traceDelivery', ask);
    const { items, next } = mergeParts(parts, traceKey, MOST_CONNECTIONS);
    return {
      message: {
        id,
        channel,
        at: utcInstant(atMs),
        event: (record === undefined ? stored?.event : eventOf(record.frame)) ?? null,
        position: position === undefined ? null : placeNumber(position),
        isDelivered: record !== undefined,
        isStored: stored !== undefined,
      },
      connections: items.map((trace) => connectionOf(trace, record !== undefined || stored !== undefined)),
      isCut: next !== null,
      complete: rollCall.complete,
    };
  }

  /**
   * @param id of a message, or `last`
   * @throws ProtocolError `NOT_FOUND` when the newest is asked for and there is none
   */
  private async find(channel: string, id: string): Promise<Found> {
    const { db } = this.database;
    const settle = async (): Promise<void> => void (await this.ingest.perform({ kind: 'barrier', channel }));
    if (id !== NEWEST && !isUlid(id)) throw new ProtocolError('INVALID_TYPE', 'id must be that of a message, or last');
    await settle();
    if (id !== NEWEST) {
      const given = id.toUpperCase();
      const record = await findDelivered(this.stream, channel, given);
      return { id: given, record, stored: await findMessage(db, channel, given, settle) };
    }
    const record = (await lastDelivered(this.stream, channel))?.record;
    // Members and storage entries change by records too, which are not for all subscribers.
    if (record === undefined || record.notice !== undefined) {
      throw new ProtocolError('NOT_FOUND', 'the newest that happened in this channel lately is no message: give an id');
    }
    return { id: record.id, record, stored: await findMessage(db, channel, record.id, settle) };
  }
}

/** @param isKnown there is such a message; of any other nobody can have got anything */
function connectionOf({ connectedAtMs, subscribedAtMs, end, ...trace }: DeliveryTrace, isKnown: boolean): object {
  return {
    ...trace,
    verdict: isKnown ? trace.verdict : 'noSuchMessage',
    connectedAt: utcInstant(connectedAtMs),
    subscribedAt: subscribedAtMs === null ? null : utcInstant(subscribedAtMs),
    end: end === undefined ? null : { at: utcInstant(end.atMs), code: end.code, reason: end.reason },
  };
}

function eventOf(frame: Buffer): string | undefined {
  return (JSON.parse(frame.toString('utf8')) as { readonly event?: string }).event;
}
