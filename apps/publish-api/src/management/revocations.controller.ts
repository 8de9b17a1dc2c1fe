import { CONFIG, HearthConfig, rawBody } from '@hearth/runtime';
import { installationNow } from '@hearth/timing';
import { Controller, Delete, Get, HttpCode, Inject, Param, Post, Query, Req, Res, UseGuards } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ManagerGuard } from '../callers';
import { noQuery, revocationsQuery } from './list-query';
import { parseRevocation } from './revocation-request';
import { Revocations } from './revocations';

type Parameters = Readonly<Record<string, unknown>>;

/** Taking tokens back (management-api §4). */
@Controller('revocations')
@UseGuards(ManagerGuard)
export class RevocationsController {
  constructor(
    private readonly revocations: Revocations,
    @Inject(CONFIG) private readonly config: Pick<HearthConfig, 'revocationKeepSeconds'>,
  ) {}

  /** `201`; `200` for what is revoked already. */
  @Post()
  async revoke(
    @Query() parameters: Parameters,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    noQuery(parameters);
    const asked = parseRevocation(rawBody(request), this.config.revocationKeepSeconds, installationNow());
    const { revocation, isNew, disconnected, complete } = await this.revocations.revoke(asked);
    void reply.status(isNew ? 201 : 200).header('location', `/revocations/${revocation.id}`);
    return { ...revocation, disconnected, complete };
  }

  @Get()
  list(@Query() parameters: Parameters): Promise<object> {
    return this.revocations.list(revocationsQuery(parameters));
  }

  @Get(':id')
  find(@Param('id') id: string, @Query() parameters: Parameters): Promise<object> {
    noQuery(parameters);
    return this.revocations.find(id);
  }

  @Delete(':id')
  @HttpCode(204)
  async remove(@Param('id') id: string, @Query() parameters: Parameters): Promise<void> {
    noQuery(parameters);
    await this.revocations.remove(id);
  }
}
