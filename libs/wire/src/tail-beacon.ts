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
  /** Ends an answer to `ALL_TAILS`; absent otherwise, and where an owner does not say it yet. */
  readonly all?: AllTails;
}

/** The beacons from one on, up to the one with this, have said where all channels end that the owner has sent to. */
export interface AllTails {
  /** `n` of the first. */
  readonly from: number;
  /** The life of the deliver stream that the owner knew by then: when that was created, ms since 1970. */
  readonly lifeMs: number;
}

type Tail = readonly [channel: string, epoch: number, sequence: number];

/** Beacons come at least this often while a partition has an owner. */
export const BEACON_EVERY_MS = 2_000;
/** Of one beacon, which must fit into one message. */
const MAX_BYTES = 256 * 1_024;

/** What an owner says besides of all its channels; `allInMs`: these are all of them, as of this life of the deliver stream. */
type SaidOfAll = Partial<Pick<TailBeacon, 'isLast' | 'end' | 'unsureBeforeMs'>> & { readonly allInMs?: number };

/**
 * The next beacons of an owner, as JSON: one, or more if there are many tails.
 *
 * @param n of the first
 */
export function encodeTailBeacons(
  fencingToken: number,
  n: number,
  tails: Iterable<readonly [string, Position]>,
  { isLast = false, end, unsureBeforeMs, allInMs }: SaidOfAll = {},
): string[] {
  const all = { end: end && [end.epoch, end.sequence], unsureBefore: unsureBeforeMs };
  const ofAll = JSON.stringify(all).slice(1, -1);
  const beacons: string[] = [];
  let parts: string[] = [];
  let bytes = 0;
  const behind = `${allInMs === undefined ? '' : `,"all":[${n},${allInMs}]`}${isLast ? ',"last":true' : ''}`;
  const flush = (after = ''): void => {
    const head = `{"epoch":${fencingToken},"n":${n + beacons.length}${beacons.length > 0 || ofAll === '' ? '' : `,${ofAll}`}`;
    beacons.push(`${head},"tails":[${parts.join(',')}]${after}}`);
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
  flush(behind);
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
    all,
  } = JSON.parse(text) as {
    readonly epoch: number;
    readonly n: number;
    readonly tails: readonly Tail[];
    readonly last?: boolean;
    readonly end?: readonly [epoch: number, sequence: number];
    readonly unsureBefore?: number;
    readonly all?: readonly [from: number, lifeMs: number];
  };
  const places = tails.map(([channel, epoch, sequence]) => [channel, { epoch, sequence }] as const);
  return {
    fencingToken,
    n,
    tails: places,
    isLast: last === true,
    end: end && { epoch: end[0], sequence: end[1] },
    unsureBeforeMs: unsureBefore,
    all: all && { from: all[0], lifeMs: all[1] },
  };
}
