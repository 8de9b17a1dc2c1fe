import { isUlid, ProtocolError, utcInstant } from '@hearth/protocol';
import { rawBody } from '@hearth/runtime';
import { Database, type DeadLetter, findDeadLetter, listDeadLetters, requestRetry } from '@hearth/store';
import { Controller, Get, HttpCode, Param, Post, Query, Req, UseGuards } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CalledBy, type Caller, ManagerGuard } from '../callers';
import { Changes } from './changes';
import { isText, namedBy } from './closing-request';
import { bodyMembers, deadLettersQuery, noQuery, pageOf } from './list-query';

type Parameters = Readonly<Record<string, unknown>>;

/**
 * Webhooks that were given up: look at them, and have them sent again (management-api §2, §3). They are in Postgres, and the
 * service that sends them finds there what is asked of it.
 */
@Controller('dead-letters')
@UseGuards(ManagerGuard)
export class DeadLettersController {
  constructor(
    private readonly database: Database,
    private readonly changes: Changes,
  ) {}

  @Get()
  async list(@Query() parameters: Parameters): Promise<object> {
    const query = deadLettersQuery(parameters);
    const found = await listDeadLetters(this.database.db, { ...query, limit: query.limit + 1 });
    const { items: deadLetters, next } = pageOf(found, query.limit, summaryOf);
    return { deadLetters, next };
  }

  @Get(':id')
  async find(@Param('id') id: string, @Query() parameters: Parameters): Promise<object> {
    noQuery(parameters);
    const letter = isUlid(id) ? await findDeadLetter(this.database.db, id) : undefined;
    if (letter === undefined) throw noDeadLetter();
    return { ...summaryOf(letter), payload: letter.payload.toString('utf8') };
  }

  /** Of one target, or all. */
  @Post('retry')
  @HttpCode(202)
  async retryAll(
    @Query() parameters: Parameters,
    @CalledBy() actor: Caller,
    @Req() request: FastifyRequest,
  ): Promise<object> {
    noQuery(parameters);
    const object = bodyMembers(rawBody(request), ['target']);
    const target = namedBy(object, 'target');
    if (target !== undefined && !isText(target)) throw new ProtocolError('INVALID_TYPE', 'target must be text');
    return this.changes.carryOut(
      { action: 'retryDeadLetters', actor, request: request.raw, target: { target: target ?? null } },
      async () => ({ requested: await requestRetry(this.database.db, { target }) }),
      (outcome) => outcome,
    );
  }

  @Post(':id/retry')
  @HttpCode(202)
  async retry(
    @Param('id') id: string,
    @Query() parameters: Parameters,
    @CalledBy() actor: Caller,
    @Req() { raw: request }: FastifyRequest,
  ): Promise<object> {
    noQuery(parameters);
    return this.changes.carryOut(
      { action: 'retryDeadLetters', actor, request, target: { id } },
      async () => {
        const requested = isUlid(id) ? await requestRetry(this.database.db, { id }) : 0;
        if (requested === 0) throw noDeadLetter();
        return { requested };
      },
      (outcome) => outcome,
    );
  }
}

/** Payloads are what users wrote: they are shown one at a time, to whoever asks for one. */
function summaryOf({ payload, waitingSince, givenUpAt, retryRequestedAt, ...summary }: DeadLetter) {
  return {
    ...summary,
    bytes: payload.length,
    waitingSince: utcInstant(waitingSince.getTime()),
    givenUpAt: utcInstant(givenUpAt.getTime()),
    retryRequestedAt: retryRequestedAt === null ? null : utcInstant(retryRequestedAt.getTime()),
  };
}

function noDeadLetter(): ProtocolError {
  return new ProtocolError('NOT_FOUND', 'id: there is no such dead letter');
}
