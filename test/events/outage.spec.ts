import { setTimeout as delay } from 'node:timers/promises';
import { Testbed } from '../support/installation';
import { Backend } from './backend';
import { Load } from './load';
import type { StoredEvent } from './backend';
import { EVENT_TYPES } from './envelope';
import { Evidence, judge } from './oracle';

/** pubsub-events §5.7 */
const OUTAGE_MS = 10_000;
/** The load does more than limits would allow, which answer it and write of it on the events stream, too. */
const WITHOUT_LIMITS = Object.fromEntries(
  ['PUBLISH', 'SUBSCRIBE', 'PRESENCE', 'STORAGE', 'REACTION', 'FRAMES']
    .map((name) => `CONNECTION_${name}`)
    .concat('MESSAGE_REACTIONS')
    .map((name) => [`HEARTH_LIMIT_${name}`, '0']),
);

let testbed: Testbed;
let backend: Backend;
let load: Load;
let evidence: Evidence | undefined;
const troubles: unknown[] = [];

beforeAll(async () => {
  testbed = await Testbed.start({ HEARTH_PARTITIONS: '4', ...WITHOUT_LIMITS });
  await testbed.add('sequencer');
  backend = await Backend.open(testbed.nats.url, (error) => troubles.push(error));
  load = new Load(testbed, backend);
});

afterAll(async () => {
  load?.abandon();
  await backend?.close();
  await testbed?.stop();
});

it('all backend events come once and in order although nats-server is killed for 10 s (pubsub-events §5.7)', async () => {
  await load.start();
  await load.progress(10);
  await testbed.nats.kill();
  await delay(OUTAGE_MS);
  await testbed.nats.restart();
  await load.progress(10);
  // Once more for a moment, in which what was on its way is still within every deadline.
  await testbed.nats.kill();
  await testbed.nats.restart();
  await load.progress(10);
  expect(load.hasLostConnections).toBe(false);
  evidence = await load.finish();
  process.stdout.write(load.summary());
  expect(judge(evidence).slice(0, 20)).toEqual([]);
  expect(backend.sequences).toEqual(evidence.events.map(({ sequence }) => sequence));
  expect(troubles).toEqual([]);
  const errors = testbed.apps.flatMap(({ lines }) => lines.filter((line) => /"level":"(ERROR|FATAL)"/.test(line)));
  expect(errors).toEqual([]);
});

describe('the oracle notices', () => {
  /** Judges the same evidence with other events. */
  const complaintsAbout = (change: (events: StoredEvent[]) => void): string[] => {
    if (evidence === undefined) throw new Error('there is no evidence');
    const events = [...evidence.events];
    change(events);
    return judge({ ...evidence, events });
  };
  const lastOf = (type: string, events: StoredEvent[]): number =>
    events.findLastIndex(({ envelope }) => envelope.type === `hotsock.${type}` && envelope.data.expired !== true);
  /** Whether two events are of one channel or connection, whose order is known: that of an entry's end is not. */
  const areOfOneLine = ({ envelope: one }: StoredEvent, { envelope: other }: StoredEvent): boolean =>
    other.data.expired !== true && (one.metadata.channel ?? one.data.id) === (other.metadata.channel ?? other.data.id);

  it.each(EVENT_TYPES)('a %s that is lost', (type) => {
    expect(complaintsAbout((events) => void events.splice(lastOf(type, events), 1))).not.toEqual([]);
  });

  it.each(EVENT_TYPES)('a %s that is there again with another id', (type) => {
    const complaints = complaintsAbout((events) => {
      const event = events[lastOf(type, events)]!;
      events.push({ ...event, headers: { ...event.headers, 'Nats-Msg-Id': ['01J9ZK3V7Q8W2X5Y6ABCDEFGHJ'] } });
    });
    expect(complaints).not.toEqual([]);
  });

  it.each(EVENT_TYPES)('a %s that changed places with its neighbour', (type) => {
    const complaints = complaintsAbout((events) => {
      const place = lastOf(type, events);
      const isNeighbour = (event: StoredEvent, index: number) => index !== place && areOfOneLine(events[place]!, event);
      const before = events.findLastIndex((event, index) => index < place && isNeighbour(event, index));
      // The first one of its line changes places with the next.
      const other = before < 0 ? events.findIndex(isNeighbour) : before;
      [events[place], events[other]] = [events[other]!, events[place]!];
    });
    expect(complaints).not.toEqual([]);
  });

  it('an id that is there twice, and a subject with another channel', () => {
    const twice = complaintsAbout((events) => void events.push(events[lastOf('channelUpdated', events)]!));
    const misled = complaintsAbout((events) => {
      const event = events[lastOf('memberAdded', events)]!;
      events[lastOf('memberAdded', events)] = { ...event, subject: event.subject.replace(/[^.]*$/, 'other') };
    });
    for (const complaints of [twice, misled]) expect(complaints).not.toEqual([]);
  });
});
