import {
  DeliverRecord,
  decodeDeliverRecord,
  decodeTailBeacon,
  deliverSubject,
  TAIL_SUBJECTS,
  TailBeacon,
} from '@hearth/wire';
import { within } from '@hearth/timing';
import { StreamConnection } from './connection';

/** NATS must confirm an interest within this time. */
const ACTIVE_WITHIN_MS = 5_000;

/** A gateway's live interest in one channel. */
export interface DeliverSubscription {
  /** Resolves once the server forwards the channel's messages to us; rejects when it does not say so within 5 s. */
  readonly active: Promise<void>;
  close(): void;
}

/**
 * Live messages of channels, straight from core NATS: ordered, at most once. Whoever listens checks the chain of
 * positions and reads what is missing from the deliver stream.
 */
export class DeliverSubscriber {
  private flushing: Promise<void> | undefined;

  constructor(private readonly connection: StreamConnection) {}

  subscribe(channel: string, onRecord: (record: DeliverRecord) => void): DeliverSubscription {
    const close = this.connection.listen(deliverSubject(channel), ({ data }) => onRecord(decodeDeliverRecord(data)));
    return { active: this.flush(), close };
  }

  /** Listens to the owners of all partitions; ends it. */
  listenToTails(onBeacon: (partition: number, beacon: TailBeacon) => void): () => void {
    return this.connection.listen(TAIL_SUBJECTS, (message) => {
      const partition = Number(message.subject.slice(TAIL_SUBJECTS.length - 1));
      onBeacon(partition, decodeTailBeacon(message.string()));
    });
  }

  /** Subscriptions made in one turn of the event loop share one round trip, and the time that it may take. */
  private flush(): Promise<void> {
    this.flushing ??= new Promise<void>((resolve, reject) => {
      setImmediate(() => {
        this.flushing = undefined;
        within(ACTIVE_WITHIN_MS, this.connection.nats.flush()).then(resolve, reject);
      });
    });
    return this.flushing;
  }
}
