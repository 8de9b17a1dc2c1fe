import {
  DeliverRecord,
  decodeDeliverRecord,
  decodeTailBeacon,
  deliverSubject,
  TAIL_SUBJECTS,
  TailBeacon,
} from '@hearth/wire';
import { within } from '@hearth/timing';
import type { Msg } from 'nats';
import { StreamConnection } from './connection';
import { type Listener, LightSubscription } from './nats-by-hand';

/**
 * Interests that are asked for sooner after others, of which some are not active yet, wait until so much time has gone by, ms: a client's
 * frame by itself costs two writes to NATS, two reads and two wake-ups of nats-server, 100 µs of CPU, and clients that come by the hundreds a
 * second hardly ever share a turn of the event loop (docs/performance.md). Whoever comes alone, or asks for one channel after the other,
 * waits for nothing.
 */
const GATHER_MS = 5;
/** So many do not wait for more. */
const MOST_GATHERED = 32;
/** NATS must confirm an interest within this time. */
const ACTIVE_WITHIN_MS = 5_000;

/** A gateway's live interest in one channel. */
export interface DeliverSubscription {
  /** Resolves once the server forwards the channel's messages to us; rejects when it does not say so within 5 s. */
  readonly active: Promise<void>;
  close(): void;
}

/** Interests that leave together, and with which the server must agree. */
interface Gathering {
  readonly interests: Interest[];
  readonly active: Promise<void>;
  /** Has them leave at the end of this turn of the event loop. */
  hurry(): void;
}

/**
 * Live messages of channels, straight from core NATS: ordered, at most once. Whoever listens checks the chain of
 * positions and reads what is missing from the deliver stream.
 */
export class DeliverSubscriber {
  private gathering: Gathering | undefined;
  private leftAtMs = -Infinity;
  /** Gatherings that have left and are not active. */
  private opening = 0;

  constructor(private readonly connection: StreamConnection) {}

  subscribe(channel: string, onRecord: (record: DeliverRecord) => void): DeliverSubscription {
    const gathering = (this.gathering ??= this.begin());
    const interest = new Interest(this.connection, channel, onRecord, gathering.active);
    if (gathering.interests.push(interest) === MOST_GATHERED) gathering.hurry();
    return interest;
  }

  /** Listens to the owners of all partitions; ends it. */
  listenToTails(onBeacon: (partition: number, beacon: TailBeacon) => void): () => void {
    return this.connection.listen(TAIL_SUBJECTS, (message) => {
      const partition = Number(message.subject.slice(TAIL_SUBJECTS.length - 1));
      onBeacon(partition, decodeTailBeacon(message.string()));
    });
  }

  /** What leaves together is one write, and shares one round trip and the time that it may take. */
  private begin(): Gathering {
    const interests: Interest[] = [];
    let leave = (): void => undefined;
    const active = new Promise<void>((resolve, reject) => {
      leave = () => {
        // They may have hurried.
        if (this.gathering?.interests !== interests) return;
        this.gathering = undefined;
        this.leftAtMs = performance.now();
        this.open(interests).then(resolve, reject);
      };
    });
    const waitMs = this.opening === 0 ? 0 : this.leftAtMs + GATHER_MS - performance.now();
    if (waitMs > 0) setTimeout(leave, waitMs);
    else setImmediate(leave);
    return { interests, active, hurry: () => setImmediate(leave) };
  }

  /** @throws NatsError when the connection is closed for good */
  private async open(interests: readonly Interest[]): Promise<void> {
    this.opening++;
    try {
      for (const interest of interests) interest.open();
      await within(ACTIVE_WITHIN_MS, this.connection.nats.flush());
    } finally {
      this.opening--;
    }
  }
}

class Interest implements DeliverSubscription, Listener {
  private isClosed = false;
  private subscription: LightSubscription | undefined;

  constructor(
    private readonly connection: StreamConnection,
    private readonly channel: string,
    private readonly onRecord: (record: DeliverRecord) => void,
    readonly active: Promise<void>,
  ) {}

  open(): void {
    if (this.isClosed) return;
    this.subscription = LightSubscription.begin(this.connection.nats, deliverSubject(this.channel), this);
  }

  hear({ data }: Msg): void {
    this.onRecord(decodeDeliverRecord(data));
  }

  close(): void {
    this.isClosed = true;
    this.subscription?.end();
  }
}
