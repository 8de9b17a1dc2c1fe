import { Inject, Injectable, OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import {
  MAX_BATCH_BYTES,
  parsePublishBatch,
  parsePublishRequest,
  ProtocolError,
  PublishRequest,
} from '@hearth/protocol';
import {
  ApiKeys,
  bearerToken,
  CONFIG,
  HearthConfig,
  Metrics,
  rawBody,
  SourceIp,
  sourceIpReader,
  userAgentOf,
} from '@hearth/service';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Publisher, PublishSource } from './publisher';

/**
 * `POST /publish` and `POST /publish/batch` (publish-api §1–§6, §9).
 *
 * Registered on the HTTP server directly: the key is checked before a byte of the body is read, each route has its own
 * body limit, and the hottest path of the service runs through nothing that it does not need.
 */
@Injectable()
export class PublishRoutes implements OnModuleInit {
  private readonly sourceIp: SourceIp;

  constructor(
    private readonly host: HttpAdapterHost,
    private readonly keys: ApiKeys,
    private readonly publisher: Publisher,
    private readonly metrics: Metrics,
    @Inject(CONFIG) private readonly config: HearthConfig,
  ) {
    this.sourceIp = sourceIpReader(config);
  }

  onModuleInit(): void {
    const server = this.host.httpAdapter.getInstance<FastifyInstance>();
    server.route({
      method: 'POST',
      url: '/publish',
      bodyLimit: this.config.maxBodyBytes,
      onRequest: (request, reply, done) => done(this.authorize(request)),
      handler: (request, reply) => this.answer(reply, this.publishOne(request)),
    });
    server.route({
      method: 'POST',
      url: '/publish/batch',
      bodyLimit: MAX_BATCH_BYTES,
      onRequest: (request, reply, done) => done(this.authorize(request)),
      handler: (request, reply) => this.answer(reply, this.publishBatch(request)),
    });
  }

  /** The failure that ends the request, if the caller has no valid key (publish-api §2). */
  private authorize(request: FastifyRequest): ProtocolError | undefined {
    const key = bearerToken(request.headers);
    if (key !== undefined && this.keys.accepts(key)) return undefined;
    return new ProtocolError(
      'UNAUTHORIZED',
      key === undefined ? 'the Authorization header must be "Bearer <API key>"' : 'the API key is not valid',
    );
  }

  private async answer(reply: FastifyReply, published: Promise<unknown>): Promise<FastifyReply> {
    try {
      const body = JSON.stringify(await published);
      return reply.code(202).header('content-type', 'application/json').send(body);
    } catch (error) {
      this.metrics.publishRefused.of(error instanceof ProtocolError ? error.code : 'INTERNAL_ERROR').inc();
      throw error;
    }
  }

  private async publishOne(request: FastifyRequest): Promise<unknown> {
    const accepted = await this.publisher.publish(parsePublishRequest(rawBody(request)), this.source(request));
    this.metrics.accepted.of('publish').inc();
    return accepted;
  }

  private async publishBatch(request: FastifyRequest): Promise<unknown[]> {
    const requests = parsePublishBatch(rawBody(request));
    this.refuseOversized(requests);
    const source = this.source(request);
    const accepted = await Promise.all(requests.map((one) => this.publisher.publish(one, source)));
    this.metrics.accepted.of('batch').inc(accepted.length);
    return accepted;
  }

  /**
   * A document of a batch may not be larger than one that comes alone. `data` is measured in its compact form and passed
   * on as written, so without this the white space in it could exceed what NATS takes in one message.
   */
  private refuseOversized(requests: readonly PublishRequest[]): void {
    const { maxBodyBytes } = this.config;
    const index = requests.findIndex(({ data }) => Buffer.byteLength(data) > maxBodyBytes);
    if (index < 0) return;
    throw new ProtocolError('PAYLOAD_TOO_LARGE', `data must be at most ${maxBodyBytes} bytes as written`, { index });
  }

  private source(request: FastifyRequest): PublishSource {
    return {
      trigger: 'server.http',
      sourceIp: this.sourceIp(request.raw),
      userAgent: userAgentOf(request.raw),
    };
  }
}
