import type { ErrorCode } from '@hearth/protocol';
import type { BackendEvent, DeliverNotice, IngestOperation, OperationOf, Position } from '@hearth/wire';

/** An operation in its place. */
export interface SequencedOperation<Operation extends IngestOperation = IngestOperation> {
  /** ULID, from the place. */
  readonly id: string;
  readonly position: Position;
  /** Time of acceptance by the stream's clock, ms since 1970: the only clock that applying may look at. */
  readonly acceptedMs: number;
  readonly operation: Operation;
  /** JSON text for kinds that carry some. */
  readonly data: Buffer;
}

export type SequencedOf<Kind extends IngestOperation['kind']> = SequencedOperation<OperationOf<Kind>>;

/** What gateways shall hear of an operation: one record of a channel. */
export interface OutcomeRecord {
  readonly channel: string;
  readonly exceptConnectionId?: string;
  readonly notice?: DeliverNotice;
  readonly frame: Buffer;
}

/** An event without its id, which follows from the operation and the event's number in it. */
export type OutcomeEvent = Omit<BackendEvent, 'id'>;

/**
 * What an operation caused. It is a function of the operations before it and of nothing else: after a crash the next
 * owner applies them again to the saved state, and must come to the same.
 */
export interface Outcome {
  readonly record?: OutcomeRecord;
  /** In this order. */
  readonly events?: readonly OutcomeEvent[];
  /** It was refused and changed nothing; for the one who asked. */
  readonly refusal?: { readonly code: ErrorCode; readonly message: string };
}

/** It changed nothing that anybody hears of. */
export const NOTHING: Outcome = Object.freeze({});
