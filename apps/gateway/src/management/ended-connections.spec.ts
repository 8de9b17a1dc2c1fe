import { EndedConnections } from './ended-connections';

type Ending = Parameters<EndedConnections['add']>[0];

function ending(id: string, channels: number): Ending {
  const identity = { uid: 'u', umdJson: undefined };
  const allSubscriptions = Array.from({ length: channels }, (_, n) => ({
    ...{
      channel: { name: `c${n}`, intake: { last: undefined } },
      identity,
      since: undefined,
      slot: 0,
      subscribedAtMs: 1,
    },
  }));
  return { id, identity, connectedAtMs: 0, socket: { backlogBytes: 7 }, allSubscriptions } as unknown as Ending;
}

it('keeps the last connections that ended, and forgets the oldest of too many', () => {
  const ended = new EndedConnections();
  for (let n = 0; n < 10_001; n++) ended.add(ending(String(n), 1), { code: 1013, reason: 'Slow consumer' });
  expect([ended.get('0'), [...ended.all()].length]).toEqual([undefined, 10_000]);
  expect(ended.get('10000')).toMatchObject({ uid: 'u', waitingBytes: 7, end: { code: 1013, reason: 'Slow consumer' } });
});

it('keeps only so many subscriptions, of one connection and in all', () => {
  const ended = new EndedConnections();
  for (let n = 0; n < 501; n++) ended.add(ending(String(n), 5_000));
  expect([...ended.all()].map(({ subscriptions }) => subscriptions.size)).toEqual(Array(500).fill(100));
  expect([ended.get('0'), ended.get('500')?.end]).toEqual([
    undefined,
    { atMs: expect.any(Number), code: null, reason: null },
  ]);
});
