import { rawBody } from '@hearth/runtime';
import { installationNow } from '@hearth/timing';
import type { DenialTarget } from '@hearth/wire';
import { Controller, Delete, HttpCode, Param, Post, Query, Req, UseGuards } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CalledBy, type Caller, ManagerGuard } from '../callers';
import { Changes } from './changes';
import { Closing, type ClosingOutcome } from './closing';
import { checkedReason, type ClosingRequest, parseDisconnect, parseUnsubscribe } from './closing-request';
import { Gateways, noConnection } from './gateways';
import { noQuery, textParameters } from './list-query';

type Parameters = Readonly<Record<string, unknown>>;

/** Sending clients away (management-api §3). */
@Controller()
@UseGuards(ManagerGuard)
export class ClosingController {
  constructor(
    private readonly closing: Closing,
    private readonly gateways: Gateways,
    private readonly changes: Changes,
  ) {}

  @Delete('connections/:id')
  @HttpCode(204)
  async deleteConnection(
    @Param('id') connectionId: string,
    @Query() parameters: Parameters,
    @CalledBy() actor: Caller,
    @Req() { raw: request }: FastifyRequest,
  ): Promise<void> {
    const { reason } = textParameters(parameters, ['reason']);
    const farewell = { reason: checkedReason(reason), reconnect: false, except: [] };
    const denial = {
      kind: 'connection',
      names: [connectionId],
      endsInMs: 0,
      sinceMs: installationNow(),
      farewell,
    } as const;
    const asked = { action: 'disconnect', actor, request, target: { connectionId }, reason: farewell.reason } as const;
    await this.changes.carryOut(asked, async () => {
      const { disconnected } = await this.gateways.askOwner(connectionId, 'deny', { denials: [denial] });
      if (disconnected === 0) throw noConnection();
    });
  }

  @Post('disconnect')
  @HttpCode(200)
  async disconnect(
    @Query() parameters: Parameters,
    @CalledBy() actor: Caller,
    @Req() request: FastifyRequest,
  ): Promise<object> {
    noQuery(parameters);
    const asked = { action: 'disconnect', actor, request: request.raw } as const;
    return this.close(asked, parseDisconnect(rawBody(request)), ({ disconnected, complete, refusedUntil }) => {
      return { disconnected, complete, refusedUntil };
    });
  }

  @Post('unsubscribe')
  @HttpCode(200)
  async unsubscribe(
    @Query() parameters: Parameters,
    @CalledBy() actor: Caller,
    @Req() request: FastifyRequest,
  ): Promise<object> {
    noQuery(parameters);
    const asked = { action: 'unsubscribe', actor, request: request.raw } as const;
    return this.close(asked, parseUnsubscribe(rawBody(request)), ({ unsubscribed, complete, refusedUntil }) => {
      return { unsubscribed, complete, refusedUntil };
    });
  }

  private async close(
    asked: {
      readonly action: 'disconnect' | 'unsubscribe';
      readonly actor: Caller;
      readonly request: FastifyRequest['raw'];
    },
    request: ClosingRequest,
    answerOf: (outcome: ClosingOutcome) => Record<string, unknown>,
  ): Promise<object> {
    const { target, farewell } = request;
    const change = { ...asked, target: targetOf(target), reason: farewell.reason };
    return answerOf(await this.changes.carryOut(change, () => this.closing.close(request), answerOf));
  }
}

/** Names of what a request is about, in its own words. */
const WORDS: Readonly<Partial<Record<DenialTarget['kind'], readonly string[]>>> = {
  refusedUser: ['uid'],
  refusedJti: ['jti'],
  refusedSubscriber: ['channel', 'uid'],
  refusedSubscription: ['channel', 'connectionId'],
  channel: ['channel'],
  connection: ['connectionId'],
};

/** Whom a request is about. */
function targetOf({ kind, names }: DenialTarget): Record<string, string | undefined> {
  return Object.fromEntries((WORDS[kind] ?? []).map((word, index) => [word, names[index]]));
}
