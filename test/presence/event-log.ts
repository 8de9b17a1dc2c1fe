import { connect, NatsConnection } from 'nats';
import { checkEvent } from '../support/api-checks';
import { eventually } from '../support/eventually';
import type { Frame } from '../support/ws-client';

/** Everything that came on the subjects of backend events, in order. */
export class EventLog {
  readonly all: Frame[] = [];
  private readonly ids = new Set<string>();

  private constructor(private readonly nats: NatsConnection) {
    nats.subscribe('hearth.events.v1.>', {
      callback: (_error, message) => {
        // At least once (pubsub-events §4.4): the stream drops what comes again, its subjects do not.
        const id = message.headers?.get('Nats-Msg-Id');
        if (id !== undefined && id !== '' && this.ids.has(id)) return;
        if (id !== undefined) this.ids.add(id);
        const event = message.json<{ dataType: string }>();
        checkEvent(event);
        this.all.push({ subject: message.subject, ...event });
      },
    });
  }

  static async open(url: string): Promise<EventLog> {
    const nats = await connect({ servers: url });
    const log = new EventLog(nats);
    await nats.flush();
    return log;
  }

  /** Types without their prefix, of what fits. */
  names(fits: (event: Frame) => boolean = () => true): string[] {
    return this.all.filter(fits).map(({ type }) => (type as string).replace('hotsock.', ''));
  }

  /** Waits for an event of that name that fits. */
  next(name: string, fits: (event: Frame) => boolean = () => true): Promise<Frame> {
    return eventually(() => {
      const found = this.all.find((event) => event.type === `hotsock.${name}` && fits(event));
      if (found === undefined) throw new Error(`no ${name} among ${JSON.stringify(this.names())}`);
      return found;
    });
  }

  close(): Promise<void> {
    return this.nats.close();
  }
}

/** Whether an event is about this channel. */
export const about = (channel: string) => (event: Frame) => event.metadata.channel === channel;
/** Whether an event is about one of these connections itself. */
export const ofConnection =
  (...ids: string[]) =>
  (event: Frame) =>
    event.dataType === 'connection' && ids.includes(event.data.id);
