import { Controller, Delete, Inject, Param, Query, Req, Res } from '@nestjs/common';
import { ProtocolError, protocolErrorOf } from '@hearth/protocol';
import { HearthConfig } from '@hearth/config';
import { type AuditActor, CONFIG, Logger, LOGGER, rawBody } from '@hearth/runtime';
import { SignatureError } from '@hearth/sigv4';
import { IngestPublisher } from '@hearth/stream';
import { partitionOfSchedule, scheduleIdOf } from '@hearth/wire';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { randomUUID } from 'node:crypto';
import { AwsSignatures } from './aws-signatures';
import { Callers } from './callers';
import { Changes } from './management/changes';

/**
 * `DELETE /schedules/{name}`: cancels what was scheduled, with an API key, or signed as a `DeleteSchedule` of AWS's
 * EventBridge Scheduler (publish-api §7).
 */
@Controller('schedules')
export class SchedulesController {
  constructor(
    private readonly callers: Callers,
    private readonly signatures: AwsSignatures,
    private readonly changes: Changes,
    private readonly ingest: IngestPublisher,
    @Inject(CONFIG) private readonly config: HearthConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** @param name ULID or ARN */
  @Delete(':name')
  async delete(
    @Param('name') name: string,
    @Query('groupName') groupName: unknown,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string | undefined> {
    const isSigned = request.headers.authorization?.startsWith('AWS4-') === true;
    if (isSigned && this.signatures.areTaken) return this.deleteForAws(name, groupName, request, reply);
    await this.cancel(name, this.callers.reader(request.raw), request);
    void reply.code(204);
    return undefined;
  }

  private async deleteForAws(
    name: string,
    groupName: unknown,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<string> {
    void reply.header('x-amzn-requestid', randomUUID());
    try {
      const { accessKeyId, checkBody } = this.signatures.checkHead(request.raw, 'scheduler');
      checkBody(rawBody(request));
      if (groupName !== undefined && groupName !== this.config.scheduleGroup) {
        throw new ProtocolError('NOT_FOUND', 'there is no such schedule group');
      }
      await this.cancel(name, `aws:${accessKeyId}`, request);
      return '{}';
    } catch (error) {
      const { status, type, message } = this.awsError(error, name);
      void reply.header('x-amzn-errortype', type).code(status);
      return JSON.stringify({ Message: message });
    }
  }

  /**
   * @param nameOrArn as the answer to the publish said
   * @returns when it is sure not to fire
   * @throws ProtocolError `NOT_FOUND` when there is none, or its time has come
   * @throws StreamUnavailableError when it may still fire
   */
  private async cancel(nameOrArn: string, actor: AuditActor, { raw: request }: FastifyRequest): Promise<void> {
    const scheduleId = scheduleIdOf(nameOrArn);
    const partition = partitionOfSchedule(scheduleId, this.config.partitions);
    if (partition === undefined) throw new ProtocolError('NOT_FOUND', 'there is no such schedule');
    const asked = { action: 'cancelSchedule', actor, request, target: { id: scheduleId } } as const;
    await this.changes.carryOut(asked, () => this.ingest.perform({ kind: 'cancel', partition, scheduleId }));
  }

  private awsError(error: unknown, name: string): { status: number; type: string; message: string } {
    if (error instanceof SignatureError) return { status: 403, type: error.failure, message: error.message };
    const { code, message } = protocolErrorOf(error);
    if (code === 'RATE_LIMITED') return { status: 429, type: 'ThrottlingException', message };
    if (code === 'NOT_FOUND') {
      return { status: 404, type: 'ResourceNotFoundException', message: `Schedule ${name} does not exist.` };
    }
    if (code === 'INTERNAL_ERROR') this.logger.error({ err: error }, 'A request failed unexpectedly');
    return { status: 500, type: 'InternalServerException', message };
  }
}
