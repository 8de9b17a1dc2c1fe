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
}

type Tail = readonly [channel: string, epoch: number, sequence: number];

/** Beacons come at least this often while a partition has an owner. */
export const BEACON_EVERY_MS = 2_000;
/** Of one beacon, which must fit into one message. */
const MAX_BYTES = 256 * 1_024;

/**
 * The next beacons of an owner, as JSON: one, or more if there are many tails.
 *
 * @param n of the first
 */
export function encodeTailBeacons(
  fencingToken: number,
  n: number,
  tails: Iterable<readonly [string, Position]>,
  isLast = false,
): string[] {
  const beacons: string[] = [];
  let parts: string[] = [];
  let bytes = 0;
  const end = (last = false): void => {
    const head = `{"epoch":${fencingToken},"n":${n + beacons.length}`;
    beacons.push(`${head},"tails":[${parts.join(',')}]${last ? ',"last":true' : ''}}`);
    [parts, bytes] = [[], 0];
  };
  for (const [channel, { epoch, sequence }] of tails) {
    const tail: Tail = [channel, epoch, sequence];
    const part = JSON.stringify(tail);
    const partBytes = Buffer.byteLength(part) + 1;
    if (bytes + partBytes > MAX_BYTES) end();
    parts.push(part);
    bytes += partBytes;
  }
  end(isLast);
  return beacons;
}

export function decodeTailBeacon(text: string): TailBeacon {
  const {
    epoch: fencingToken,
    n,
    tails,
    last,
  } = JSON.parse(text) as {
    readonly epoch: number;
    readonly n: number;
    readonly tails: readonly Tail[];
    readonly last?: boolean;
  };
  const places = tails.map(([channel, epoch, sequence]) => [channel, { epoch, sequence }] as const);
  return { fencingToken, n, tails: places, isLast: last === true };
}
