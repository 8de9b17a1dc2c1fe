import { setImmediate as turn } from 'node:timers/promises';
import { Slots } from './slots';

describe('slots', () => {
  it('let so many in at a time and the others in their order, whatever becomes of those before them', async () => {
    const slots = new Slots(3);
    const order: number[] = [];
    let running = 0;
    let most = 0;
    const work = async (n: number) => {
      order.push(n);
      most = Math.max(most, ++running);
      await turn();
      running--;
      if (n % 2 === 0) throw new Error('failed');
      return n;
    };
    const numbers = Array.from({ length: 20 }, (_, n) => n);
    const outcomes = await Promise.allSettled(numbers.map((n) => slots.run(() => work(n))));
    expect(order).toEqual(numbers);
    expect(most).toBe(3);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
    // All three are free again.
    await Promise.all([1, 3, 5].map((n) => slots.run(() => work(n))));
    expect(most).toBe(3);
  });
});
