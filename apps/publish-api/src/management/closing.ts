import { utcInstant } from '@hearth/protocol';
import { installationNow } from '@hearth/timing';
import { Database, putDenials } from '@hearth/store';
import type { Denial } from '@hearth/wire';
import { Injectable } from '@nestjs/common';
import type { ClosingRequest } from './closing-request';
import { Gateways, RollCall } from './gateways';
import { tell } from './tell';

export interface ClosingOutcome {
  readonly disconnected: number;
  readonly unsubscribed: number;
  /** Every gateway that may live has done it, and refuses what is to be refused. */
  readonly complete: boolean;
  readonly refusedUntil: string | null;
}

/** Denials in one message to the gateways: some 100 KB with the longest reasons. */
const TOLD_AT_ONCE = 500;

/** Sends clients away, and keeps them away (management-api §3). What is refused is kept before anybody is told. */
@Injectable()
export class Closing {
  constructor(
    private readonly gateways: Gateways,
    private readonly database: Database,
  ) {}

  async close({ target, farewell, refuseForMs }: ClosingRequest): Promise<ClosingOutcome> {
    const rollCall = this.gateways.rollCall();
    const now: Denial = { ...target, endsInMs: refuseForMs, sinceMs: installationNow(), farewell };
    const isOfTokens = target.kind === 'connection' || target.kind === 'channel';
    if (refuseForMs === 0) return outcomeOf(await tell(rollCall, [now]), rollCall, undefined);
    if (isOfTokens) return this.closeAndRefuseTokens(rollCall, now, refuseForMs);
    const stored = await putDenials(this.database.db, [{ ...target, endsInMs: refuseForMs, farewell }]);
    return outcomeOf(await tell(rollCall, stored, stored[0]?.version), rollCall, stored[0]?.endsMs);
  }

  /**
   * Closes those who are there, then has their tokens refused everywhere, which sends those away again who were quick enough
   * to come back with one before. Who comes back with a token of its own is let in. Gateways keep the refusals of those
   * whom they close; one that did not answer in time finds the order in Postgres.
   */
  private async closeAndRefuseTokens(rollCall: RollCall, order: Denial, refuseForMs: number): Promise<ClosingOutcome> {
    const farewell = { ...order.farewell, except: [] };
    const closed = await tell(rollCall, [order]);
    let { disconnected, refusedUntilMs } = closed;
    const tokens = [...closed.tokens];
    for (let from = 0; from < tokens.length; from += TOLD_AT_ONCE) {
      const refused = tokens.slice(from, from + TOLD_AT_ONCE).map((digest): Denial => {
        return { kind: 'refusedToken', names: [digest], endsInMs: refuseForMs, sinceMs: order.sinceMs, farewell };
      });
      disconnected += (await tell(rollCall, refused)).disconnected;
    }
    if (!rollCall.complete) {
      const stored = await putDenials(this.database.db, [{ ...order, endsInMs: refuseForMs }]);
      refusedUntilMs ??= stored[0]?.endsMs ?? undefined;
    }
    return outcomeOf({ ...closed, disconnected }, rollCall, refusedUntilMs);
  }
}

function outcomeOf(
  { disconnected, unsubscribed }: { readonly disconnected: number; readonly unsubscribed: number },
  { complete }: RollCall,
  refusedUntilMs: number | null | undefined,
): ClosingOutcome {
  const refusedUntil = refusedUntilMs == null ? null : utcInstant(refusedUntilMs);
  return { disconnected, unsubscribed, complete, refusedUntil };
}
