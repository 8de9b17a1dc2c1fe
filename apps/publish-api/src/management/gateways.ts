import { ProtocolError } from '@hearth/protocol';
import { Database, liveGateways } from '@hearth/store';
import {
  AnswerOf,
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

  /** For one request, in which all gateways are asked once or several times. */
  rollCall(): RollCall {
    return new RollCall(this.stream, this.database);
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

/** Whether all gateways that may live take part in a request. One that was silent once is not waited for again. */
export class RollCall {
  private readonly silent = new Set<number>();

  constructor(
    private readonly stream: StreamConnection,
    private readonly database: Database,
  ) {}

  get complete(): boolean {
    return this.silent.size === 0;
  }

  /**
   * Asks all gateways, each of which has 1 s. What was committed before is known to those that are not asked: they begin
   * later, and read it then.
   */
  async ask<Operation extends ManagementOperation>(
    operation: Operation,
    ask: Ask<Operation>,
  ): Promise<readonly AnswerOf<Operation>[]> {
    const expected = (await liveGateways(this.database.db)).filter((id) => !this.silent.has(id));
    const { answers, silent } = await askGateways(this.stream, expected, operation, ask);
    for (const id of silent) this.silent.add(id);
    return answers;
  }
}

export function noConnection(): ProtocolError {
  return new ProtocolError('NOT_FOUND', 'id: there is no such connection');
}
