import {
  DeliverRecord,
  decodeDeliverRecord,
  decodeTailBeacon,
  deliverSubject,
  TAIL_SUBJECTS,
  TailBeacon,
} from '@hearth/wire';
import { StreamConnection } from './connection';

/** A gateway's live interest in one channel. */
export interface DeliverSubscription {
  /** Resolves once the server forwards the channel's messages to us. */
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

  /** Subscriptions made in one turn of the event loop share one round trip. */
  private flush(): Promise<void> {
    this.flushing ??= new Promise<void>((resolve, reject) => {
      setImmediate(() => {
        this.flushing = undefined;
        this.connection.nats.flush().then(resolve, reject);
      });
    });
    return this.flushing;
  }
}
