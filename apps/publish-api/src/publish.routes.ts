import { installationNow, JsonPieces, jsonTurn } from '@hearth/timing';
import { Inject, Injectable, OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import {
  batchDocuments,
  MAX_BATCH_BYTES,
  MESSAGE_FIELDS,
  parseBatchDocument,
  parsePublishRequest,
  ProtocolError,
  protocolErrorOf,
  PublishRequest,
  UnknownField,
  unknownFieldsWarning,
} from '@hearth/protocol';
import { HearthConfig } from '@hearth/config';
import {
  CONFIG,
  inOrder,
  JSON_TYPE,
  Logger,
  LOGGER,
  Metrics,
  originReader,
  readBody,
  type Reply,
  sendError,
  type Sender,
} from '@hearth/runtime';
import type { FastifyInstance } from 'fastify';
import { type Caller, Callers } from './callers';
import { KeyLimits } from './limits/key-limits';
import { Accepted, Publisher, PublishSource } from './publisher';

/** What a route answers once everything of a body is accepted. */
interface Outcome {
  readonly accepted: Accepted | readonly Accepted[];
  /** Members of the body that are not known. */
  readonly unknown: readonly UnknownField[];
}

/** A body can be made text so many times while it is parsed once, at worst. */
const TEXTS_PER_PARSE = 16;

const NOTHING_UNKNOWN: readonly UnknownField[] = [];

/** What one of the routes does with a body. */
interface Publish<Call> {
  /** Gives a promise when parsing takes more than this turn of the event loop. */
  read(body: Buffer, caller: Caller): Call | Promise<Call>;
  send(call: Call, source: PublishSource): Promise<Outcome>;
}

/**
 * `POST /publish` and `POST /publish/batch` (publish-api §1–§6, §9).
 *
 * Nearly all requests come as plain ones, past Fastify (`plain-posts.ts`). Of the others, the whole answer is given in the hook
 * that runs before a body is read: so the key is checked first, and each route has its own body limit.
 */
@Injectable()
export class PublishRoutes implements OnModuleInit {
  private readonly originOf: ReturnType<typeof originReader>;

  constructor(
    private readonly host: HttpAdapterHost,
    private readonly callers: Callers,
    private readonly limits: KeyLimits,
    private readonly publisher: Publisher,
    private readonly metrics: Metrics,
    @Inject(CONFIG) private readonly config: HearthConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.originOf = originReader(config);
  }

  onModuleInit(): void {
    this.route('/publish', this.config.maxBodyBytes, {
      read: (body, caller) => this.readOne(body, caller),
      send: (request: PublishRequest, source) => this.sendOne(request, source),
    });
    this.route('/publish/batch', MAX_BATCH_BYTES, {
      read: (body, caller) => this.readBatch(body, caller),
      send: (requests: readonly PublishRequest[], source) => this.sendBatch(requests, source),
    });
  }

  private route<Call>(url: string, maxBytes: number, publish: Publish<Call>): void {
    const server = this.host.httpAdapter.getInstance<FastifyInstance>();
    server.route({
      method: 'POST',
      url,
      onRequest: async ({ raw }, reply) => {
        await this.answer(raw, reply, publish, () => readBody(raw, maxBytes));
        return reply;
      },
      // Never reached: the hook has answered.
      handler: () => undefined,
    });
    server.plainPosts.take(
      url,
      maxBytes,
      (sender, body, reply) => void this.answer(sender, reply, publish, () => body),
    );
  }

  private async answer<Call>(
    sender: Sender,
    reply: Reply,
    publish: Publish<Call>,
    bodyOf: () => Buffer | Promise<Buffer>,
  ): Promise<void> {
    try {
      const caller = this.callers.publisher(sender);
      this.limits.checkMessages(caller);
      const body = bodyOf();
      const bytes = Buffer.isBuffer(body) ? body : await body;
      const reading = inOrder(sender.socket, bytes.length, () => publish.read(bytes, caller));
      const call = reading instanceof Promise ? await reading : reading;
      const { accepted, unknown } = await publish.send(call, this.source(sender, caller));
      if (unknown.length > 0) reply.header('hearth-warning', unknownFieldsWarning(unknown, MESSAGE_FIELDS));
      reply.code(202).header('content-type', JSON_TYPE).send(JSON.stringify(accepted));
    } catch (error) {
      this.metrics.publishRefused.of(protocolErrorOf(error).code).inc();
      sendError(reply, error, this.logger);
    }
  }

  private readOne(body: Buffer, caller: Caller): PublishRequest | Promise<PublishRequest> {
    this.limits.takeMessages(caller, 1);
    const parse = (): PublishRequest => parsePublishRequest(body, installationNow, this.config.unknownFields);
    return jsonTurn(body.length)?.then(parse) ?? parse();
  }

  private async sendOne(request: PublishRequest, source: PublishSource): Promise<Outcome> {
    const accepted = await this.publisher.publish(request, source);
    this.metrics.accepted.of('publish').inc();
    return { accepted, unknown: this.unknownOf('publish', request.unknownNames) };
  }

  private async sendBatch(requests: readonly PublishRequest[], source: PublishSource): Promise<Outcome> {
    this.refuseOversized(requests);
    const accepted = await this.publisher.publishAll(requests, source);
    this.metrics.accepted.of('batch').inc(accepted.length);
    const unknown = requests.flatMap(({ unknownNames }, index) => this.unknownOf('batch', unknownNames, index));
    return { accepted, unknown };
  }

  /** Counts the members of an accepted message that are not known. */
  private unknownOf(route: string, names: readonly string[] | undefined, index?: number): readonly UnknownField[] {
    if (names === undefined) return NOTHING_UNKNOWN;
    this.metrics.unknownFields.of(route).inc(names.length);
    return names.map((name) => ({ name, index }));
  }

  /** Documents count whether or not they are right (limits §2). */
  private async readBatch(body: Buffer, caller: Caller): Promise<readonly PublishRequest[]> {
    const { maxBodyBytes, unknownFields } = this.config;
    const requests: PublishRequest[] = [];
    try {
      const pieces = new JsonPieces();
      await pieces.turn(body.length / TEXTS_PER_PARSE);
      const documents: string[] = [];
      for (const document of batchDocuments(body, maxBodyBytes)) {
        documents.push(document);
        const turn = pieces.turn(document.length);
        if (turn !== undefined) await turn;
      }
      for (const [index, document] of documents.entries()) {
        const turn = pieces.turn(document.length);
        if (turn !== undefined) await turn;
        requests.push(parseBatchDocument(document, index, installationNow, unknownFields));
      }
    } catch (error) {
      this.limits.takeMessages(caller, ((error as ProtocolError).index ?? 0) + 1);
      throw error;
    }
    this.limits.takeMessages(caller, requests.length);
    return requests;
  }

  /**
   * A document of a batch may not be larger than one that comes alone. `data` is measured in its compact form and passed
   * on as written, so without this the white space in it could exceed what NATS takes in one message.
   */
  private refuseOversized(requests: readonly PublishRequest[]): void {
    const maxBytes = Math.min(this.config.maxBodyBytes, this.publisher.maxDataBytes);
    const index = requests.findIndex(({ data }) => Buffer.byteLength(data) > maxBytes);
    if (index < 0) return;
    throw new ProtocolError('PAYLOAD_TOO_LARGE', `data must be at most ${maxBytes} bytes as written`, { index });
  }

  private source(sender: Sender, key: Caller): PublishSource {
    const { sourceIp, userAgent } = this.originOf(sender);
    return { trigger: 'server.http', key, sourceIp, userAgent };
  }
}
