import type { Publication } from '@hearth/stream';
import { loadWaitingEvents, type WaitingEventChanges, type WaitingEventRow } from '@hearth/store';
import type { BackendEvent } from '@hearth/wire';
import type { PartitionHost } from './partition-host';

/** A backend event that was given to the publisher. */
export interface OfferedEvent {
  readonly event: BackendEvent;
  readonly publication: Publication;
  /** Under which it may have been written. */
  number?: number;
}

/** Events that are about to be written, with what becomes of them. */
interface Taken extends WaitingEventChanges {
  readonly offered: readonly OfferedEvent[];
}

/**
 * The backend events of one partition. While their stream takes none, nothing waits for it, and the safe position goes on. So
 * those that are behind it and that the stream does not have are saved with it: whoever owns the partition next tells of them
 * before anything that comes later. As a rule there are none, and nothing is written.
 */
export class EventOutbox {
  /** Behind the safe position, and not in the database. */
  private unsaved: OfferedEvent[] = [];
  /** In the database, and no longer needed there. */
  private gone: number[] = [];
  private lastNumber = 0;
  private isOpen = false;
  private isHurried = false;
  private isLeft = false;

  constructor(
    private readonly host: Pick<PartitionHost, 'database' | 'events' | 'reloadable'>,
    private readonly partition: number,
  ) {}

  /** Publishes what the owner before could not; to be called before anything else is published. */
  async open(): Promise<void> {
    if (this.isOpen) return;
    const rows = await loadWaitingEvents(this.host.database.db, this.partition);
    this.isOpen = true;
    for (const { number, eventJson } of rows) {
      this.lastNumber = number;
      if (this.isOff) this.gone.push(number);
      else this.follow(number, this.host.events.offer(JSON.parse(eventJson) as BackendEvent, this));
    }
  }

  /** Publishes the events of a batch; nothing should wait for them once all are released. */
  publish(events: readonly BackendEvent[]): readonly OfferedEvent[] {
    if (events.length === 0 || this.isOff || this.isLeft) return [];
    const offered = events.map((event) => ({ event, publication: this.host.events.offer(event, this) }));
    if (this.isHurried) this.hurry();
    return offered;
  }

  /** The partition is about to be given back: nothing waits for the stream any more, because what it has not is saved. */
  hurry(): void {
    this.isHurried = true;
    this.host.events.release(this);
  }

  /** The safe position has moved past these. */
  pass(offered: readonly OfferedEvent[]): void {
    for (const one of offered) if (!one.publication.isOver) this.unsaved.push(one);
  }

  get hasChanges(): boolean {
    return this.unsaved.length > 0 || this.gone.length > 0;
  }

  /** What is to be written with the safe position; one of the other two functions follows. */
  take(): Taken | undefined {
    if (!this.hasChanges) return undefined;
    const offered = this.unsaved.filter(({ publication }) => !publication.isOver);
    for (const { publication, number } of this.unsaved)
      if (publication.isOver && number !== undefined) this.gone.push(number);
    const added = offered.map((one): WaitingEventRow => ({
      number: (one.number ??= ++this.lastNumber),
      eventJson: JSON.stringify({ ...one.event, dataJson: one.event.dataJson.toString() }),
    }));
    const taken = { offered, added, gone: this.gone };
    this.unsaved = [];
    this.gone = [];
    return taken;
  }

  /** The database has it. */
  saved({ offered, added }: Taken): void {
    added.forEach(({ number }, index) => this.follow(number, offered[index]?.publication));
  }

  /** It may have been written or not, and comes again under the same numbers. */
  putBack({ offered, gone }: Taken): void {
    this.unsaved = [...offered, ...this.unsaved];
    this.gone = [...gone, ...this.gone];
  }

  /** Calls back once the stream holds everything that was published until now; never, when others have to see to that. */
  told(then: () => void): void {
    void this.host.events.told().then(() => {
      if (!this.isLeft) then();
    });
  }

  /** The partition is another's: whoever has it publishes what still waits. */
  leave(): void {
    this.isLeft = true;
    this.host.events.withdraw(this);
  }

  private get isOff(): boolean {
    return !this.host.reloadable.current.eventsEnabled;
  }

  private follow(number: number, publication: Publication | undefined): void {
    const end = (): void => void this.gone.push(number);
    if (publication === undefined || publication.isOver) end();
    else publication.onOver = end;
  }
}
