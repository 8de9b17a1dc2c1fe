import { setTimeout as delay } from 'node:timers/promises';
import { API_KEY, Testbed } from '../support/installation';
import { fateOf, post } from '../reliability/publishers';
import { Actor } from './actor';
import { Deed, DeedKind, Fate, Journal } from './journal';

/** An entry that ends soon, so that its end is announced as well. */
const BRIEF_SECONDS = 1;
const BRIEF_KEYS = 5;
const RETRY_MS = 50;
const SOON_MS = 3_000;

/** The key of a storage entry that ends by itself. */
export const isBrief = (key: string): boolean => key.startsWith('brief-');

interface MessageOptions {
  readonly event?: string;
  readonly emitPubSubEvent?: boolean;
  readonly deduplicationId?: string;
  readonly scheduleExpression?: string;
}

interface Published {
  readonly deed: Deed;
  readonly document: object;
}

/** A backend that publishes over `POST /publish` and `POST /publish/batch`. */
abstract class ServerActor extends Actor {
  constructor(
    private readonly testbed: Testbed,
    protected readonly journal: Journal,
    protected readonly channels: readonly string[],
    name: string,
  ) {
    super(name, 15);
  }

  protected async ask(path: string, body: unknown): Promise<Fate> {
    const answer = await post(this.testbed.publishApiUrl, API_KEY, path, body);
    if (typeof answer === 'object' && answer.status === 202) return 'accepted';
    if (typeof answer === 'object' && answer.status !== 503) {
      throw new Error(`${path}: ${answer.status} ${answer.text}`);
    }
    return fateOf(answer);
  }

  protected message(channel: string, key: string, more: MessageOptions = {}): Published {
    const deed = this.deed('message', channel, key, more.emitPubSubEvent === false);
    const said = { channel, event: 'said', data: { key }, store: 600, emitPubSubEvent: true };
    return { deed, document: { ...said, ...more } };
  }

  protected deed(kind: DeedKind, channel: string, key: string, isSilent = false): Deed {
    return this.journal.intend({ kind, channel, key, trigger: 'server.http', isSilent });
  }
}

/** Publishes in every way there is, each message once, whatever the answer. */
export class ServerPublisher extends ServerActor {
  protected async round(n: number): Promise<void> {
    const channel = this.channels[Math.floor(n / 6) % this.channels.length] ?? '';
    const key = `${this.name}/${n}`;
    switch (n % 6) {
      case 0:
        return this.publish(this.message(channel, key));
      case 1:
        return this.publish(this.message(channel, key, { event: 'whispered', emitPubSubEvent: false }));
      case 2:
        return this.publish(this.storage(channel, key, 's', {}));
      case 3:
        return this.publish(this.storage(channel, key, `brief-${n % BRIEF_KEYS}`, { store: BRIEF_SECONDS }));
      case 4:
        return this.publish(...[0, 1, 2].map((part) => this.message(channel, `${key}/${part}`)));
      default:
        return this.publish(this.message(channel, key, { scheduleExpression: `at(${soon()})` }));
    }
  }

  private async publish(...all: readonly Published[]): Promise<void> {
    const documents = all.map(({ document }) => document);
    const fate = documents.length > 1 ? this.ask('/publish/batch', documents) : this.ask('/publish', documents[0]);
    for (const { deed } of all) deed.fate = await fate;
  }

  private storage(channel: string, value: string, key: string, more: object): Published {
    const event = 'hotsock.channelStorageSet';
    const document = { channel, event, key, data: { key: value }, emitPubSubEvent: true, ...more };
    return { deed: this.deed('storage', channel, value), document };
  }
}

/** Tries each message until it is accepted, and then once more: the deduplicationId makes one of them all. */
export class PersistentPublisher extends ServerActor {
  protected async round(n: number): Promise<void> {
    const channel = this.channels[n % this.channels.length] ?? '';
    const key = `${this.name}/${n}`;
    const { deed, document } = this.message(channel, key, { deduplicationId: key });
    while ((await this.ask('/publish', document)) !== 'accepted') await delay(RETRY_MS);
    deed.fate = 'accepted';
    const again = `${key}/again`;
    this.deed('message', channel, again, true);
    await this.ask('/publish', { ...document, data: { key: again } });
  }
}

/** Far enough ahead to be still to come when it arrives. */
function soon(): string {
  return new Date(Date.now() + SOON_MS).toISOString().slice(0, 19);
}
