import { rawBody } from '@hearth/runtime';
import { installationNow } from '@hearth/timing';
import { Controller, Delete, HttpCode, Param, Post, Query, Req, UseGuards } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ManagerGuard } from '../callers';
import { Closing } from './closing';
import { checkedReason, parseDisconnect, parseUnsubscribe } from './closing-request';
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
  ) {}

  @Delete('connections/:id')
  @HttpCode(204)
  async deleteConnection(@Param('id') connectionId: string, @Query() parameters: Parameters): Promise<void> {
    const { reason } = textParameters(parameters, ['reason']);
    const farewell = { reason: checkedReason(reason), reconnect: false, except: [] };
    const denial = {
      kind: 'connection',
      names: [connectionId],
      endsInMs: 0,
      sinceMs: installationNow(),
      farewell,
    } as const;
    const { disconnected } = await this.gateways.askOwner(connectionId, 'deny', { denials: [denial] });
    if (disconnected === 0) throw noConnection();
  }

  @Post('disconnect')
  @HttpCode(200)
  async disconnect(@Query() parameters: Parameters, @Req() request: FastifyRequest): Promise<object> {
    noQuery(parameters);
    const { disconnected, complete, refusedUntil } = await this.closing.close(parseDisconnect(rawBody(request)));
    return { disconnected, complete, refusedUntil };
  }

  @Post('unsubscribe')
  @HttpCode(200)
  async unsubscribe(@Query() parameters: Parameters, @Req() request: FastifyRequest): Promise<object> {
    noQuery(parameters);
    const { unsubscribed, complete, refusedUntil } = await this.closing.close(parseUnsubscribe(rawBody(request)));
    return { unsubscribed, complete, refusedUntil };
  }
}
