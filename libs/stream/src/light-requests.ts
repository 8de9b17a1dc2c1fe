import { every, type Repeated, TimeoutError } from '@hearth/timing';
import { createInbox, type Msg, type NatsConnection } from 'nats';

/** How often it is looked for requests whose time is up. */
const SWEEP_MS = 250;

interface Waiting {
  readonly dueMs: number;
  readonly resolve: (answer: Msg) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Requests that are made for every channel that somebody opens. Those of the client library make a timer, an error and
 * several promises each, and cost three times as much: 17 against 6 µs of CPU (docs/performance.md).
 */
export class LightRequests {
  private readonly inbox = createInbox();
  private readonly waiting = new Map<string, Waiting>();
  private next = 0;
  private sweeping: Repeated | undefined;

  constructor(private readonly nats: NatsConnection) {}

  /**
   * @param timeoutMs the answer comes at most 250 ms later than that, or not at all; the same for all requests
   * @returns the answer, which may be the server's word that nobody answers
   * @throws TimeoutError
   */
  ask(subject: string, payload: string, timeoutMs: number): Promise<Msg> {
    if (this.sweeping === undefined) this.listen();
    const token = (this.next++).toString(36);
    return new Promise((resolve, reject) => {
      this.nats.publish(subject, payload, { reply: `${this.inbox}.${token}` });
      this.waiting.set(token, { dueMs: performance.now() + timeoutMs, resolve, reject });
    });
  }

  /** No answer comes any more. */
  close(): void {
    void this.sweeping?.stop();
    this.giveUp(Infinity);
  }

  private listen(): void {
    this.sweeping = every(SWEEP_MS, () => this.giveUp(performance.now()));
    this.nats.subscribe(`${this.inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.take(message);
      },
    });
  }

  private take(answer: Msg): void {
    const token = answer.subject.slice(this.inbox.length + 1);
    const waiting = this.waiting.get(token);
    this.waiting.delete(token);
    waiting?.resolve(answer);
  }

  private giveUp(nowMs: number): void {
    // In the order in which they are due.
    for (const [token, { dueMs, reject }] of this.waiting) {
      if (dueMs > nowMs) return;
      this.waiting.delete(token);
      reject(new TimeoutError('no answer from NATS in time'));
    }
  }
}
