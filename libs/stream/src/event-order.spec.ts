import { EventOrder } from './event-order';

/** Which of these may be sent together; `c1` an event of that channel, `+` connected, `~` connectionUpdated, `-` disconnected. */
const admitted = (...events: readonly string[]): string[] => {
  const order = new EventOrder();
  const names = { '+': 'connected', '~': 'connectionUpdated', '-': 'disconnected' } as const;
  return events.filter((event) => {
    const name = names[event as keyof typeof names];
    return order.admit(name === undefined ? { name: 'messagePublished', channel: event } : { name });
  });
};

describe('of the events that wait, those are sent together', () => {
  it.each([
    ['c1 c2 c3', 'c1 c2 c3', 'that are of different channels'],
    ['c1 c1 c2 c1 c2', 'c1 c2', 'that are the first of their channel'],
    ['+ + +', '+ + +', 'that begin connections'],
    ['- - -', '- - -', 'that end connections'],
    ['+ c1 c2', '+', 'that nothing of a new connection may overtake'],
    ['c1 + c2 +', 'c1 + +', 'that stand before a connection begins, and other beginnings'],
    ['+ - +', '+ +', 'that may not be the end of a connection that begins'],
    ['- ~ ~ -', '- ~', 'that may not be of a connection that changes'],
    ['~ c1', '~', 'that are not behind a change of a connection'],
    ['- c1 c1', '- c1', 'that are behind the end of a connection, and nothing of it is'],
  ])('%s: %s, %s', (waiting, together) => {
    expect(admitted(...waiting.split(' ')).join(' ')).toBe(together);
  });
});
