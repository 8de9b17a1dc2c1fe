import { HearthConfig } from '@hearth/config';
import { CONFIG, rawBody } from '@hearth/runtime';
import { installationNow } from '@hearth/timing';
import { Controller, Delete, Get, HttpCode, Inject, Param, Post, Query, Req, Res, UseGuards } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CalledBy, type Caller, ManagerGuard } from '../callers';
import { Changes } from './changes';
import { noQuery, revocationsQuery } from './list-query';
import { parseRevocation } from './revocation-request';
import { revokedBy, Revocations } from './revocations';

type Parameters = Readonly<Record<string, unknown>>;

/** Taking tokens back (management-api §4). */
@Controller('revocations')
@UseGuards(ManagerGuard)
export class RevocationsController {
  constructor(
    private readonly revocations: Revocations,
    private readonly changes: Changes,
    @Inject(CONFIG) private readonly config: Pick<HearthConfig, 'revocationKeepSeconds'>,
  ) {}

  /** `201`; `200` for what is revoked already. */
  @Post()
  async revoke(
    @Query() parameters: Parameters,
    @CalledBy() actor: Caller,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    noQuery(parameters);
    const asked = parseRevocation(rawBody(request), this.config.revocationKeepSeconds, installationNow());
    const { revocation, isNew, disconnected, complete } = await this.changes.carryOut(
      { action: 'revoke', actor, request: request.raw, target: revokedBy(asked.target), reason: asked.reason },
      () => this.revocations.revoke(asked),
      (outcome) => ({ disconnected: outcome.disconnected, complete: outcome.complete }),
    );
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
  async remove(
    @Param('id') id: string,
    @Query() parameters: Parameters,
    @CalledBy() actor: Caller,
    @Req() { raw: request }: FastifyRequest,
  ): Promise<void> {
    noQuery(parameters);
    const target = revokedBy(await this.revocations.targetOf(id));
    const asked = { action: 'unrevoke', actor, request, target } as const;
    await this.changes.carryOut(
      asked,
      () => this.revocations.remove(id),
      (outcome) => ({ ...outcome }),
    );
  }
}
