import { HearthConfig } from '@hearth/config';
import { type ErrorCode, ProtocolError } from '@hearth/protocol';
import { AddressLimits, CONFIG, isAwaited, originReader } from '@hearth/runtime';
import { Database, Db, liveGateways } from '@hearth/store';
import {
  AnswerTo,
  callGateway,
  ConnectionCredentials,
  GatewayRequest,
  StreamConnection,
  StreamUnavailableError,
} from '@hearth/stream';
import { gatewayIdOf } from '@hearth/wire';
import { Inject, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

/** Errors that do not say that a secret was good. */
const NO_VERDICTS: ReadonlySet<ErrorCode> = new Set(['UNAUTHORIZED', 'PAYLOAD_TOO_LARGE', 'SERVICE_UNAVAILABLE']);

/** What every call of the client HTTP API needs: the gateway that knows its connection, and the database. */
@Injectable()
export class ClientCalls {
  private readonly originOf: ReturnType<typeof originReader>;

  constructor(
    private readonly stream: StreamConnection,
    private readonly database: Database,
    private readonly addresses: AddressLimits,
    @Inject(CONFIG) private readonly config: Pick<HearthConfig, 'httpTimeoutMs' | 'trustedProxies'>,
  ) {
    this.originOf = originReader(config);
  }

  /**
   * Asks the gateway that owns a connection. What it says, 401 apart, says that the secret was good: the request does not
   * count (limits §2).
   *
   * @throws ProtocolError the gateway's refusal; `UNAUTHORIZED` when there is no such gateway
   * @throws StreamUnavailableError when it does not answer, or NATS does not find it although nobody has ended it: NATS was away
   *   and the gateway is not back yet, or it died a moment ago
   */
  async ask<R extends GatewayRequest>(
    { raw }: FastifyRequest,
    credentials: ConnectionCredentials,
    question: R,
  ): Promise<AnswerTo<R>> {
    const isGood = (): void => this.addresses.accepted(this.originOf(raw).sourceIp, raw);
    try {
      const answer = await this.answerOf(credentials, question);
      isGood();
      return answer;
    } catch (error) {
      if (error instanceof ProtocolError && !NO_VERDICTS.has(error.code)) isGood();
      throw error;
    }
  }

  /** Reads for a connection, when it has its turn; not for a client that has closed meanwhile. */
  read<T>(request: FastifyRequest, { connectionId }: ConnectionCredentials, read: (db: Db) => Promise<T>): Promise<T> {
    const patienceMs = this.config.httpTimeoutMs;
    return this.database.readFor(connectionId, read, { patienceMs, isWanted: isAwaited(request) });
  }

  private async answerOf<R extends GatewayRequest>(
    credentials: ConnectionCredentials,
    question: R,
  ): Promise<AnswerTo<R>> {
    const gatewayId = gatewayIdOf(credentials.connectionId);
    if (gatewayId === undefined) throw noConnection();
    const answer = await callGateway(this.stream, gatewayId, credentials, question, this.config.httpTimeoutMs);
    if (answer !== undefined) return answer;
    const isLive = (await liveGateways(this.database.db)).includes(gatewayId);
    throw isLive ? new StreamUnavailableError('the gateway did not answer') : noConnection();
  }
}

function noConnection(): ProtocolError {
  return new ProtocolError('UNAUTHORIZED', 'connectionId: no such connection');
}
