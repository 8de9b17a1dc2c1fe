import { DeliveryLog } from '../../bench/generator/delivery-log';
import { dialectOf } from '../../bench/generator/dialect';
import { payloadTemplate, stampPayload } from '../../bench/generator/payload';
import { Subscriber } from '../../bench/generator/subscriber';

/** Delivers to each subscriber of channel 0 the sequence numbers listed for it, one subscriber after the other. */
function deliver(...received: readonly (readonly number[])[]): { log: DeliveryLog; missing: number } {
  const log = new DeliveryLog(2);
  const subscribers = received.map((sequences) => {
    const subscriber = new Subscriber(0, '', dialectOf('plain-ws'), log);
    for (const sequence of sequences) {
      const payload = Buffer.from(payloadTemplate(0));
      stampPayload(payload, 0, 0, sequence);
      log.message(subscriber, payload, 0);
    }
    return subscriber;
  });
  return { log, missing: log.missing(subscribers, [4, 0]) };
}

describe('the delivery log', () => {
  it('finds no fault when everyone gets everything in the same order, whatever the order', () => {
    const { log, missing } = deliver([1, 0, 2, 3], [1, 0, 2, 3]);
    expect([log.duplicates, log.outOfOrder, log.misrouted, missing]).toEqual([0, 0, 0, 0]);
    expect(log.received).toBe(8);
  });

  it('counts what a subscriber did not get, in the middle and at the end', () => {
    expect(deliver([0, 1, 2, 3], [0, 2, 3]).missing).toBe(1);
    expect(deliver([0, 1, 2, 3], [0, 1]).missing).toBe(2);
  });

  it('counts what nobody got', () => {
    expect(deliver([0, 1, 2], [0, 1, 2]).missing).toBe(2);
  });

  it('counts a message that came twice', () => {
    const { log, missing } = deliver([0, 1, 2, 3], [0, 1, 1, 2, 3]);
    expect([log.duplicates, missing]).toEqual([1, 0]);
    expect(deliver([0, 1, 1, 2, 3]).log.duplicates).toBe(1);
  });

  it('notices an order that differs between subscribers', () => {
    const { log, missing } = deliver([0, 1, 2, 3], [0, 2, 1, 3]);
    expect(log.outOfOrder + log.duplicates + missing).toBeGreaterThan(0);
  });

  it('counts a message on the wrong channel', () => {
    const log = new DeliveryLog(2);
    const subscriber = new Subscriber(0, '', dialectOf('plain-ws'), log);
    log.message(subscriber, Buffer.from(payloadTemplate(1)), 0);
    expect(log.misrouted).toBe(1);
  });
});
