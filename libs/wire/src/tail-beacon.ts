import type { Position } from './deliver-record';

/**
 * What a partition's owner says every so often, to all gateways and without a confirmation: where channels end that had
 * records since it spoke last. By that a gateway notices the loss of a record that none follows; what is said of a
 * channel, the deliver stream holds.
 */
export interface TailBeacon {
  /** Of the owner's claim of the partition; `epoch` on the wire. */
  readonly fencingToken: number;
  /** Counts the beacons of this owner, from 1. */
  readonly n: number;
  readonly tails: readonly (readonly [channel: string, position: Position])[];
  /** The owner gives the partition back, and all that it sent is stored. */
  readonly isLast: boolean;
  /** Everything up to here was stored in the deliver stream before this was sent; absent where an owner does not say it yet. */
  readonly end?: Position;
  /**
   * The deliver stream has lost records since the life that began before this one, ms since 1970, and nobody knows any more which
   * channels they were of. `unsureBefore` on the wire; absent where nothing is lost, or the owner knows what.
   */
  readonly unsureBeforeMs?: number;
}

type Tail = readonly [channel: string, epoch: number, sequence: number];

/** Beacons come at least this often while a partition has an owner. */
export const BEACON_EVERY_MS = 2_000;
/** Of one beacon, which must fit into one message. */
const MAX_BYTES = 256 * 1_024;

/** What an owner says besides of all its channels. */
type SaidOfAll = Partial<Pick<TailBeacon, 'isLast' | 'end' | 'unsureBeforeMs'>>;

/**
 * The next beacons of an owner, as JSON: one, or more if there are many tails.
 *
 * @param n of the first
 */
export function encodeTailBeacons(
  fencingToken: number,
  n: number,
  tails: Iterable<readonly [string, Position]>,
  { isLast = false, end, unsureBeforeMs }: SaidOfAll = {},
): string[] {
  const all = { end: end && [end.epoch, end.sequence], unsureBefore: unsureBeforeMs };
  const ofAll = JSON.stringify(all).slice(1, -1);
  const beacons: string[] = [];
  let parts: string[] = [];
  let bytes = 0;
  const flush = (last = false): void => {
    const head = `{"epoch":${fencingToken},"n":${n + beacons.length}${beacons.length > 0 || ofAll === '' ? '' : `,${ofAll}`}`;
    beacons.push(`${head},"tails":[${parts.join(',')}]${last ? ',"last":true' : ''}}`);
    [parts, bytes] = [[], 0];
  };
  for (const [channel, { epoch, sequence }] of tails) {
    const tail: Tail = [channel, epoch, sequence];
    const part = JSON.stringify(tail);
    const partBytes = Buffer.byteLength(part) + 1;
    if (bytes + partBytes > MAX_BYTES) flush();
    parts.push(part);
    bytes += partBytes;
  }
  flush(isLast);
  return beacons;
}

export function decodeTailBeacon(text: string): TailBeacon {
  const {
    epoch: fencingToken,
    n,
    tails,
    last,
    end,
    unsureBefore,
  } = JSON.parse(text) as {
    readonly epoch: number;
    readonly n: number;
    readonly tails: readonly Tail[];
    readonly last?: boolean;
    readonly end?: readonly [epoch: number, sequence: number];
    readonly unsureBefore?: number;
  };
  const places = tails.map(([channel, epoch, sequence]) => [channel, { epoch, sequence }] as const);
  return {
    fencingToken,
    n,
    tails: places,
    isLast: last === true,
    end: end && { epoch: end[0], sequence: end[1] },
    unsureBeforeMs: unsureBefore,
  };
}
