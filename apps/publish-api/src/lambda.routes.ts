import { installationNow } from '@hearth/timing';
import { Inject, Injectable, OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { bodyText, MESSAGE_FIELDS, parsePublishRequest, ProtocolError, unknownFieldsWarning } from '@hearth/protocol';
import { HearthConfig } from '@hearth/config';
import { bodyInTurn, CONFIG, Logger, LOGGER, Metrics, readBody } from '@hearth/runtime';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { randomUUID } from 'node:crypto';
import { AwsSignatures } from './aws-signatures';
import { checkFunctionName, LATEST } from './function-name';
import { LambdaError, toLambdaError } from './lambda-error';
import { KeyLimits } from './limits/key-limits';
import { Accepted, Publisher, PublishSource } from './publisher';

interface Invocation {
  Params: { readonly name: string };
  Querystring: { readonly Qualifier?: unknown };
}

/** What became of an invocation that was let in (publish-api §10.3). */
interface Outcome {
  readonly status: 200 | 202 | 204;
  /** JSON text of what the function returned. */
  readonly result?: string;
  readonly isFunctionError?: true;
  /** Of a message that was accepted: what should be looked at nevertheless. */
  readonly warning?: string;
}

const INVOCATIONS = '/2015-03-31/functions/:name/invocations';
const IS_INVOCATION = /^\/+2015-03-31\/+functions\/+[^/?]+\/+invocations(\?|$)/;
/** Paths of AWS Lambda's actions begin with the version of its API that brought them. */
const OTHER_ACTIONS = '/:version(^20\\d\\d-\\d\\d-\\d\\d$)/*';
const INVOCATION_TYPE = 'x-amz-invocation-type';
const EMPTY_DOCUMENT = Buffer.from('{}');

/**
 * `POST /2015-03-31/functions/{FunctionName}/invocations`, as AWS Lambda's Invoke (publish-api §10): an AWS SDK publishes
 * with nothing but another endpoint. A second door to the `Publisher` of `POST /publish`.
 *
 * As there, everything happens in the hook before Fastify would read a body: what cannot be genuine is refused unread.
 */
@Injectable()
export class LambdaRoutes implements OnModuleInit {
  constructor(
    private readonly host: HttpAdapterHost,
    private readonly signatures: AwsSignatures,
    private readonly publisher: Publisher,
    private readonly limits: KeyLimits,
    private readonly metrics: Metrics,
    @Inject(CONFIG) private readonly config: HearthConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onModuleInit(): void {
    const server = this.host.httpAdapter.getInstance<FastifyInstance>();
    const config = { isThere: () => this.signatures.areTaken };
    server.route<Invocation>({
      method: 'POST',
      url: INVOCATIONS,
      config,
      onRequest: (request, reply) => this.answer(request, reply),
      // Never reached: the hook has answered.
      handler: () => undefined,
    });
    server.route({
      method: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
      url: OTHER_ACTIONS,
      config,
      onRequest: (request, reply) => this.refuseAction(request, reply),
      handler: () => undefined,
    });
  }

  /** Whatever else AWS Lambda does: SDKs find no error in the shape of ours. */
  private async refuseAction(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    if (!this.signatures.areTaken) throw new ProtocolError('NOT_FOUND', 'There is nothing at this path');
    if (IS_INVOCATION.test(request.raw.url ?? '')) {
      reply.header('allow', 'POST');
      throw new ProtocolError('METHOD_NOT_ALLOWED', 'Allowed here: POST');
    }
    const requestId = randomUUID();
    reply.header('x-amzn-requestid', requestId).serializer(asIs);
    return this.refuse(reply, new LambdaError('UnknownOperationException', 'functions can only be invoked'), requestId);
  }

  private async answer(request: FastifyRequest<Invocation>, reply: FastifyReply): Promise<FastifyReply> {
    if (!this.signatures.areTaken) throw new ProtocolError('NOT_FOUND', 'There is nothing at this path');
    const requestId = randomUUID();
    reply.header('x-amzn-requestid', requestId).serializer(asIs);
    try {
      const { accessKeyId, checkBody } = this.signatures.checkHead(request.raw, 'lambda', [INVOCATION_TYPE]);
      const { raw } = request;
      const body = await bodyInTurn(raw.socket, await readBody(raw, this.config.maxBodyBytes));
      checkBody(body);
      checkFunctionName(request.params.name, request.query.Qualifier, this.config);
      const document = body.length === 0 ? EMPTY_DOCUMENT : body;
      const type = request.headers[INVOCATION_TYPE];
      if (type !== 'DryRun') this.limits.takeAwsMessages(accessKeyId, 1);
      return send(reply, await this.invoke(type, document, { trigger: 'server.lambda', requestId, key: accessKeyId }));
    } catch (error) {
      return this.refuse(reply, toLambdaError(error), requestId);
    }
  }

  private invoke(type: unknown, body: Buffer, source: PublishSource): Outcome | Promise<Outcome> {
    switch (type) {
      case undefined:
      case 'RequestResponse':
        return this.publishAndTell(body, source);
      case 'Event':
        return this.publishOrDrop(body, source);
      case 'DryRun':
        requireJson(body);
        return { status: 204 };
      default:
        throw new LambdaError(
          'InvalidParameterValueException',
          `${INVOCATION_TYPE} must be RequestResponse, Event or DryRun`,
        );
    }
  }

  private async publishAndTell(body: Buffer, source: PublishSource): Promise<Outcome> {
    try {
      const { accepted, warning } = await this.publish(body, source);
      return { status: 200, result: JSON.stringify(accepted), warning };
    } catch (error) {
      const { code, message } = this.invalidMessage(error, body);
      const result = JSON.stringify({ errorType: code, errorMessage: message });
      return { status: 200, result, isFunctionError: true };
    }
  }

  /** Nobody waits for the result of an `Event`, so what is wrong with its message is for the log. */
  private async publishOrDrop(body: Buffer, source: PublishSource): Promise<Outcome> {
    try {
      const { warning } = await this.publish(body, source);
      return { status: 202, warning };
    } catch (error) {
      const { code, message: reason } = this.invalidMessage(error, body);
      const { requestId } = source;
      this.logger.warn({ requestId, code, reason }, 'The message of an Event invocation is invalid and was dropped');
      return { status: 202 };
    }
  }

  /** Address and user agent of the caller are no part of what comes by this door (pubsub-events §3.5). */
  private async publish(body: Buffer, source: PublishSource): Promise<{ accepted: Accepted; warning?: string }> {
    const request = parsePublishRequest(body, installationNow, this.config.unknownFields);
    const accepted = await this.publisher.publish(request, source);
    this.metrics.accepted.of('lambda').inc();
    const { unknownNames } = request;
    if (unknownNames === undefined) return { accepted };
    this.metrics.unknownFields.of('lambda').inc(unknownNames.length);
    const unknown = unknownNames.map((name) => ({ name }));
    return { accepted, warning: unknownFieldsWarning(unknown, MESSAGE_FIELDS) };
  }

  /** The error, if the message is to blame for it; throws whatever else it is. */
  private invalidMessage(error: unknown, body: Buffer): ProtocolError {
    if (!(error instanceof ProtocolError) || error.code === 'SERVICE_UNAVAILABLE') throw error;
    requireJson(body);
    this.metrics.publishRefused.of(error.code).inc();
    return error;
  }

  private refuse(reply: FastifyReply, error: LambdaError, requestId: string): FastifyReply {
    this.metrics.publishRefused.of(error.name).inc();
    if (error.cause !== undefined) this.logger.error({ requestId, err: error.cause }, 'A request failed unexpectedly');
    if (error.name === 'TooManyRequestsException') reply.header('retry-after', error.retryAfter);
    reply.header('x-amzn-errortype', error.name).header('content-type', 'application/json');
    return reply.code(error.status).send(error.body);
  }
}

/** The text is JSON already. Without a serializer Fastify adds a charset to its type, which JSON and Lambda have none of. */
function asIs(text: unknown): string {
  return text as string;
}

function send(reply: FastifyReply, { status, result, isFunctionError, warning }: Outcome): FastifyReply {
  reply.code(status).header('x-amz-executed-version', LATEST);
  if (warning !== undefined) reply.header('hearth-warning', warning);
  if (isFunctionError) reply.header('x-amz-function-error', 'Unhandled');
  return result === undefined ? reply.send() : reply.header('content-type', 'application/json').send(result);
}

/**
 * Any JSON may be given to a function; what is none never gets there.
 *
 * @throws LambdaError `InvalidRequestContentException`
 */
function requireJson(body: Buffer): void {
  try {
    JSON.parse(bodyText(body));
  } catch {
    throw new LambdaError('InvalidRequestContentException', 'the body must be valid JSON in UTF-8');
  }
}
