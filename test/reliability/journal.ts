import { idTimeMs } from '@hearth/protocol';
import { Gate } from './gate';

/**
 * What publishers and subscribers write down while they work, for the oracle to compare afterwards. All of them live in
 * one process, so one counter orders everything they saw: no clock can be wrong about what came first.
 */

/**
 * How a publish ended, as far as its publisher knows. A timeout or a broken connection is `unknown`: it may have been
 * accepted or not, and is only tried again with the same `deduplicationId`.
 */
export type Fate = 'acked' | 'refused' | 'unknown';

/** One message that somebody wanted to publish; `publisher` and `n` travel in its data. */
export interface Intent {
  readonly publisher: string;
  readonly n: number;
  readonly channel: string;
  /** Published with `store`. */
  readonly isKept: boolean;
  /** Of all messages with the same one, exactly one may appear. */
  readonly deduplicationId?: string;
  /** Messages of a channel that went down the same line must arrive in the order of `n`, although nobody waited. */
  readonly line?: string;
  /** Published while perhaps nobody was subscribed, and not kept: then nobody can have it. */
  readonly mayGoUnseen?: boolean;
  /** When it is scheduled for, by the clock of this machine: it takes its place then, wherever it was published. */
  readonly dueMs?: number;
  /** Published with `emitPubSubEvent`. */
  readonly hasEvent?: boolean;
  /** Label of the connection that published it without `echo`, and so must not get it. */
  readonly exceptConnection?: string;
  /** Before the first attempt. */
  readonly intendedAt: number;
  fate: Fate;
  /** When it was acked; `Infinity` unless it was. */
  ackedAt: number;
}

/** A message that came to a subscriber. */
export interface Arrival {
  readonly channel: string;
  readonly id: string;
  /** `publisher/n` */
  readonly message: string;
  /** Everything else that must be the same for everybody. */
  readonly content: string;
  readonly at: number;
}

/** A message as anybody has it: a subscriber, the log table, a page of history. */
export type Sighting = Omit<Arrival, 'at'>;

/** One subscription of one connection, from `hotsock.subscribed` to its end. */
export interface SubscriptionLog {
  readonly channel: string;
  /** Before it was asked for. */
  readonly askedAt: number;
  readonly confirmedAt: number;
  /** Where it was to go on, and whether it was told that nothing is missing (resume §1). */
  readonly resume?: {
    /** What it said: id of the last message it had seen. None where it had seen none, or where some of them were missing. */
    readonly after: string | undefined;
    /** Id of the last message it had seen, missing ones or not. */
    readonly seen: string | undefined;
    /** From when on its token shows all of the channel, surely. */
    readonly since: number;
    /** From when on it may show the channel: since its first subscription, or since the first one after a gap. */
    readonly visibleSince: number;
    readonly complete: boolean;
  };
  /** What it was told that it misses (resume §4): between two ids, the latter unknown where nothing has come since. */
  readonly holes: { readonly after: string; readonly before: string | undefined }[];
  /** When it was given up, or the connection ended; `Infinity` while it lasts. */
  endedAt: number;
}

/** Everything that came over one connection, in the order of arrival. */
export interface ConnectionLog {
  /** `subscriber#number` */
  readonly label: string;
  /** URL of the gateway it was opened to. */
  readonly gateway: string;
  /** As backends know it. */
  readonly id: string;
  readonly subscriptions: SubscriptionLog[];
  readonly arrivals: Arrival[];
}

export const messageKey = (publisher: string, n: number): string => `${publisher}/${n}`;

/** Of messages that are scheduled, so that whoever gets one can note the time. */
export const SCHEDULED_EVENT = 'scheduled';

const KEPT_COMPLAINTS = 100;

/** The log book of one test. */
export class Journal {
  readonly intents: Intent[] = [];
  readonly connections: ConnectionLog[] = [];
  /** When each scheduled message was first seen, by the clock of this machine, and when it took its place, by its id. */
  readonly fired = new Map<string, { readonly seenMs: number; readonly id: string; readonly idMs: number }>();
  /** Answers and frames that nothing explains, in words; of many the first. */
  readonly complaints: string[] = [];
  /** Publishers pass it before each message. */
  readonly gate = new Gate();
  private clock = 0;

  /** The next moment; every call gives a later one. */
  now(): number {
    return ++this.clock;
  }

  /** Writes down what is about to be published. Its fate is unknown until something is known. */
  intend(intent: Omit<Intent, 'intendedAt' | 'fate' | 'ackedAt'>): Intent {
    const written: Intent = { ...intent, intendedAt: this.now(), fate: 'unknown', ackedAt: Infinity };
    this.intents.push(written);
    return written;
  }

  settle(intent: Intent, fate: Fate): void {
    intent.fate = fate;
    if (fate === 'acked') intent.ackedAt = this.now();
  }

  openConnection(label: string, gateway: string, id: string): ConnectionLog {
    const log: ConnectionLog = { label, gateway, id, subscriptions: [], arrivals: [] };
    this.connections.push(log);
    return log;
  }

  noteFired({ message, id }: Sighting): void {
    if (!this.fired.has(message)) this.fired.set(message, { seenMs: Date.now(), id, idMs: idTimeMs(id) });
  }

  complain(what: string): void {
    if (this.complaints.length < KEPT_COMPLAINTS) this.complaints.push(what);
  }

  count(fate: Fate): number {
    return this.intents.reduce((sum, intent) => sum + (intent.fate === fate ? 1 : 0), 0);
  }
}
