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
  /** Where it was to go on, and whether it was told that nothing is missing (websocket-protocol §12). */
  readonly resume?: { readonly after: string; readonly complete: boolean };
  /** When it was given up, or the connection ended; `Infinity` while it lasts. */
  endedAt: number;
}

/** Everything that came over one connection, in the order of arrival. */
export interface ConnectionLog {
  /** `subscriber#number` */
  readonly label: string;
  /** URL of the gateway it was opened to. */
  readonly gateway: string;
  readonly subscriptions: SubscriptionLog[];
  readonly arrivals: Arrival[];
}

export const messageKey = (publisher: string, n: number): string => `${publisher}/${n}`;

/** The log book of one test. */
export class Journal {
  readonly intents: Intent[] = [];
  readonly connections: ConnectionLog[] = [];
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

  openConnection(label: string, gateway: string): ConnectionLog {
    const log: ConnectionLog = { label, gateway, subscriptions: [], arrivals: [] };
    this.connections.push(log);
    return log;
  }

  count(fate: Fate): number {
    return this.intents.reduce((sum, intent) => sum + (intent.fate === fate ? 1 : 0), 0);
  }
}
