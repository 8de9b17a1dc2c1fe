import type { StreamConnection } from '@hearth/stream';
import { every, type Repeated } from '@hearth/timing';
import { BEACON_EVERY_MS, encodeTailBeacons, lastEventSequence, type Position, tailSubject } from '@hearth/wire';
import { channelOf, type Deliverable } from './fan-out';

/** Tells gateways where the channels of one partition end (`TailBeacon`). Idle channels cost nothing. */
export class Tails {
  private changed = new Map<string, Position>();
  private next = 1;
  private unsureBeforeMs: number | undefined;
  private readonly beacons: Repeated;

  constructor(
    private readonly stream: Pick<StreamConnection, 'tell'>,
    private readonly claim: { readonly partition: number; readonly fencingToken: number },
    /** Of what is done and confirmed. */
    private readonly safe: () => Position,
  ) {
    // Gateways shall know where the partition ended before anything new comes.
    this.tell();
    this.beacons = every(BEACON_EVERY_MS, () => this.tell());
  }

  /** What the deliver stream holds, in order. */
  add(fanned: readonly Deliverable[]): void {
    for (const one of fanned) this.changed.set(channelOf(one), one.position);
  }

  /** @param ms when the life of the deliver stream began before which it has lost nobody knows what, ms since 1970 */
  doubt(ms: number): void {
    this.unsureBeforeMs = ms;
    this.tell();
  }

  /** Says a last time what there is to say; another owner may begin then. */
  leave(): void {
    this.stop();
    this.tell(true);
  }

  stop(): void {
    void this.beacons.stop();
  }

  private tell(isLast = false): void {
    const { partition, fencingToken } = this.claim;
    const { unsureBeforeMs } = this;
    const { epoch, sequence } = this.safe();
    const end = { epoch, sequence: lastEventSequence(sequence) };
    const beacons = encodeTailBeacons(fencingToken, this.next, this.changed, { isLast, end, unsureBeforeMs });
    this.changed = new Map();
    this.next += beacons.length;
    for (const beacon of beacons) this.stream.tell(tailSubject(partition), beacon);
  }
}
