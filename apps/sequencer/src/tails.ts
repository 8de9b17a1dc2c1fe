import type { StreamConnection } from '@hearth/stream';
import { every, type Repeated } from '@hearth/timing';
import {
  ALL_TAILS,
  ASK_TAILS_SUBJECT,
  BEACON_EVERY_MS,
  comparePositions,
  encodeTailBeacons,
  lastEventSequence,
  type Position,
  tailSubject,
} from '@hearth/wire';
import { channelOf, type Deliverable } from './fan-out';
import type { SavedPosition } from './saved-position';

/** Tells gateways where the channels of one partition end (`TailBeacon`). Idle channels cost nothing. */
export class Tails {
  private changed = new Map<string, Position>();
  private next = 1;
  private isAllWanted = false;
  private hasEnded = false;
  private unsureBeforeMs: number | undefined;
  private readonly beacons: Repeated;
  private readonly stopListening: () => void;

  constructor(
    private readonly stream: Pick<StreamConnection, 'listen' | 'tell'>,
    private readonly claim: { readonly partition: number; readonly fencingToken: number },
    private readonly saved: Pick<SavedPosition, 'safe' | 'unsureBeforeMs' | 'deliverMark'>,
    /** Resolves when the deliver stream holds what was sent until now. */
    private readonly delivered: () => Promise<unknown>,
    /** Where the channels end that are known, with what was sent until now. */
    private readonly ends: () => Iterable<readonly [string, Position]>,
  ) {
    // What an owner before could not know, this one does not either.
    this.unsureBeforeMs = saved.unsureBeforeMs;
    // Gateways shall know where the partition ended before anything new comes.
    this.tell();
    this.beacons = every(BEACON_EVERY_MS, () => {
      this.tell();
      if (this.isAllWanted) void this.tellAll();
    });
    this.stopListening = stream.listen(ASK_TAILS_SUBJECT, (message) => {
      // Every gateway asks for it, and hears what another one asked for.
      if (message.string() === ALL_TAILS) this.isAllWanted = true;
      else this.tell();
    });
  }

  /** What the deliver stream holds. */
  add(fanned: readonly Deliverable[]): void {
    for (const one of fanned) this.note(channelOf(one), one.position);
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
    this.hasEnded = true;
    this.stopListening();
    void this.beacons.stop();
  }

  /** What the deliver stream has lost, no beacon says any more, and a gateway may not have got either. */
  private async tellAll(): Promise<void> {
    this.isAllWanted = false;
    const created = this.saved.deliverMark?.created;
    const ends = [...this.ends()];
    await this.delivered();
    if (this.hasEnded) return;
    for (const [channel, position] of ends) this.note(channel, position);
    const lifeMs = created === undefined ? undefined : Date.parse(created);
    // Of what was lost before a life that it is unsure of, this owner knows only some.
    this.tell(false, lifeMs === this.unsureBeforeMs ? undefined : lifeMs);
  }

  /** What stands further back may be confirmed later, when the stream changed its leader. */
  private note(channel: string, position: Position): void {
    const known = this.changed.get(channel);
    if (known === undefined || comparePositions(known, position) < 0) this.changed.set(channel, position);
  }

  /** @param allInMs these are all tails, as of this life of the deliver stream, ms since 1970 */
  private tell(isLast = false, allInMs?: number): void {
    const { partition, fencingToken } = this.claim;
    const { unsureBeforeMs } = this;
    const { epoch, sequence } = this.saved.safe;
    const end = { epoch, sequence: lastEventSequence(sequence) };
    const all = { isLast, end, unsureBeforeMs, allInMs };
    const beacons = encodeTailBeacons(fencingToken, this.next, this.changed, all);
    this.changed = new Map();
    this.next += beacons.length;
    for (const beacon of beacons) this.stream.tell(tailSubject(partition), beacon);
  }
}
