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

/** NATS must confirm an interest within this time. */
const ACTIVE_WITHIN_MS = 5_000;

/** A gateway's live interest in one channel. */
export interface DeliverSubscription {
  /** Resolves once the server forwards the channel's messages to us; rejects when it does not say so within 5 s. */
  readonly active: Promise<void>;
  close(): void;
}

/** The server must agree with what was asked for in one turn of the event loop. */
interface Turn {
  readonly interests: Interest[];
  readonly active: Promise<void>;
}

/**
 * Live messages of channels, straight from core NATS: ordered, at most once. Whoever listens checks the chain of
 * positions and reads what is missing from the deliver stream.
 */
export class DeliverSubscriber {
  private turn: Turn | undefined;

  constructor(private readonly connection: StreamConnection) {}

  subscribe(channel: string, onRecord: (record: DeliverRecord) => void): DeliverSubscription {
    const turn = (this.turn ??= this.begin());
    const interest = new Interest(this.connection, channel, onRecord, turn.active);
    turn.interests.push(interest);
    return interest;
  }

  /** Listens to the owners of all partitions; ends it. */
  listenToTails(onBeacon: (partition: number, beacon: TailBeacon) => void): () => void {
    return this.connection.listen(TAIL_SUBJECTS, (message) => {
      const partition = Number(message.subject.slice(TAIL_SUBJECTS.length - 1));
      onBeacon(partition, decodeTailBeacon(message.string()));
    });
  }

  /**
   * What is asked for in one turn of the event loop leaves in one write at its end, and shares one round trip and the time that
   * it may take: by itself each would be a write, and a wake-up of the server, after the frame of each client.
   */
  private begin(): Turn {
    const interests: Interest[] = [];
    const active = new Promise<void>((resolve, reject) => {
      setImmediate(() => {
        this.turn = undefined;
        try {
          for (const interest of interests) interest.open();
          within(ACTIVE_WITHIN_MS, this.connection.nats.flush()).then(resolve, reject);
        } catch (error) {
          // The connection is closed for good.
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
    return { interests, active };
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
