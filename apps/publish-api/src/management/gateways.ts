import { ProtocolError } from '@hearth/protocol';
import { Database, liveGateways } from '@hearth/store';
import {
  AnswerOf,
  Answers,
  Ask,
  askGateway,
  askGateways,
  ManagementOperation,
  StreamConnection,
  StreamUnavailableError,
} from '@hearth/stream';
import { gatewayIdOf } from '@hearth/wire';
import { Injectable } from '@nestjs/common';

/** The gateways of the installation: their leases in Postgres say which there are. */
@Injectable()
export class Gateways {
  constructor(
    private readonly stream: StreamConnection,
    private readonly database: Database,
  ) {}

  /**
   * Asks all of them; `complete` says whether every one with a live lease has answered within 1 s. What was committed
   * before is known to those that are not asked: they begin later, and read it then.
   */
  async ask<Operation extends ManagementOperation>(
    operation: Operation,
    ask: Ask<Operation>,
  ): Promise<Answers<AnswerOf<Operation>>> {
    return askGateways(this.stream, await liveGateways(this.database.db), operation, ask);
  }

  /**
   * Asks the one that owns a connection.
   *
   * @throws ProtocolError `NOT_FOUND` when there is no such gateway
   * @throws StreamUnavailableError when it does not answer within 1 s
   */
  async askOwner<Operation extends ManagementOperation>(
    connectionId: string,
    operation: Operation,
    ask: Ask<Operation>,
  ): Promise<AnswerOf<Operation>> {
    const gatewayId = gatewayIdOf(connectionId);
    if (gatewayId === undefined) throw noConnection();
    const answer = await askGateway(this.stream, gatewayId, operation, ask);
    if (answer !== undefined) return answer;
    const isLive = (await liveGateways(this.database.db)).includes(gatewayId);
    throw isLive ? new StreamUnavailableError('the gateway did not answer') : noConnection();
  }
}

export function noConnection(): ProtocolError {
  return new ProtocolError('NOT_FOUND', 'id: there is no such connection');
}
