import { Controller, Delete, Inject, Param, Query, Req, Res } from '@nestjs/common';
import { ProtocolError } from '@hearth/protocol';
import { ApiKeys, CONFIG, HearthConfig, LiveSettings, Logger, LOGGER, rawBody } from '@hearth/runtime';
import {
  checkSignedRequest,
  readSignedRequest,
  SignatureError,
  SignatureRules,
  SigningKeys,
  verifySignedRequest,
} from '@hearth/sigv4';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { randomUUID } from 'node:crypto';
import { requireApiKey } from './api-key';
import { ScheduleCancelling } from './schedule-cancelling';

/**
 * `DELETE /schedules/{name}`: cancels what was scheduled, with an API key, or signed as a `DeleteSchedule` of AWS's
 * EventBridge Scheduler (publish-api §7).
 */
@Controller('schedules')
export class SchedulesController {
  private readonly signingKeys = new SigningKeys();
  private readonly rules: SignatureRules;

  constructor(
    private readonly apiKeys: ApiKeys,
    private readonly live: LiveSettings,
    private readonly cancelling: ScheduleCancelling,
    @Inject(CONFIG) private readonly config: HearthConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.rules = { service: 'scheduler', clockSkewSeconds: config.awsClockSkewSeconds, mustSign: [] };
  }

  /** @param name ULID or ARN */
  @Delete(':name')
  async cancel(
    @Param('name') name: string,
    @Query('groupName') groupName: unknown,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string | undefined> {
    const { awsAccessKeys } = this.live.current;
    if (awsAccessKeys !== 'off' && isSigned(request)) {
      return this.cancelForAws(name, groupName, request, reply, awsAccessKeys);
    }
    requireApiKey(request.raw.headers, this.apiKeys);
    await this.cancelling.cancel(name);
    void reply.code(204);
    return undefined;
  }

  private async cancelForAws(
    name: string,
    groupName: unknown,
    request: FastifyRequest,
    reply: FastifyReply,
    accessKeys: ReadonlyMap<string, string>,
  ): Promise<string> {
    void reply.header('x-amzn-requestid', randomUUID()).header('content-type', 'application/json').code(200);
    try {
      this.requireSignature(request, accessKeys);
      if (groupName !== undefined && groupName !== this.config.scheduleGroup) {
        throw new ProtocolError('NOT_FOUND', 'there is no such schedule group');
      }
      await this.cancelling.cancel(name);
      return '{}';
    } catch (error) {
      const { status, type, message } = this.awsError(error, name);
      void reply.header('x-amzn-errortype', type).code(status);
      return JSON.stringify({ Message: message });
    }
  }

  /** @throws SignatureError */
  private requireSignature(request: FastifyRequest, accessKeys: ReadonlyMap<string, string>): void {
    const signed = readSignedRequest(request.raw);
    const secret = accessKeys.get(signed.accessKeyId);
    if (secret === undefined) {
      throw new SignatureError('UnrecognizedClientException', 'the access key is not known here');
    }
    checkSignedRequest(signed, this.rules, Date.now());
    verifySignedRequest(signed, rawBody(request), secret, this.signingKeys);
  }

  private awsError(error: unknown, name: string): { status: number; type: string; message: string } {
    if (error instanceof SignatureError) return { status: 403, type: error.failure, message: error.message };
    if (error instanceof ProtocolError && error.code === 'NOT_FOUND') {
      return { status: 404, type: 'ResourceNotFoundException', message: `Schedule ${name} does not exist.` };
    }
    if (error instanceof ProtocolError) {
      return { status: 500, type: 'InternalServerException', message: error.message };
    }
    this.logger.error({ err: error }, 'A request failed unexpectedly');
    return { status: 500, type: 'InternalServerException', message: 'An internal error occurred' };
  }
}

function isSigned({ headers }: FastifyRequest): boolean {
  return headers.authorization?.startsWith('AWS4-') === true;
}
