import { setTimeout as delay } from 'node:timers/promises';
import { Client as Postgres } from 'pg';
import { sharePartitions } from '../../apps/sequencer/src/partition-shares';
import { Client, Testbed } from '../support/installation';
import { createDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { pauseProcess, resumeProcess } from '../support/pause-process';
import { TestPostgres } from '../support/postgres';
import type { Frame } from '../support/ws-client';

/** Longer than a gateway's lease (15 s) and the time it has to come back (10 s). */
const OUTAGE_MS = 28_000;
/** Gateways are slower to notice the end of the outage than sequencers are, but not so slow that they are dead (10 s). */
const LATE_MS = 7_000;
/** After the end of the outage: until sequencers look for dead gateways again (10 s), and twice more. */
const LOOKED_AGAIN_MS = 15_000;

const PRESENCE = 'presence.outage';
const ROOM = 'room';
const NOTES = 'notes';
const ADDED = 'hotsock.memberAdded';
const REMOVED = 'hotsock.memberRemoved';
const STORAGE = { '*': { observe: true, set: true } };

/** Does something with an installation of its own, so that those who wait can do so side by side. */
async function withInstallation(work: (testbed: Testbed, postgres: TestPostgres) => Promise<void>): Promise<void> {
  const postgres = await TestPostgres.start();
  let testbed: Testbed | undefined;
  try {
    // One partition for two sequencers: one of them has none, and watches over gateways all the same.
    testbed = await Testbed.start({ HEARTH_PARTITIONS: '1' }, () => createDatabase(postgres.url));
    await testbed.add('sequencer');
    await partitionStays(testbed);
    await work(testbed, postgres);
  } finally {
    postgres.thaw();
    try {
      await testbed?.stop();
    } finally {
      await postgres.stop();
    }
  }
}

/**
 * Waits until the partition is with the sequencer that keeps it: one that takes it over has to read from Postgres who is
 * present, and could not do so in an outage that begins right then.
 */
async function partitionStays(testbed: Testbed): Promise<void> {
  const sql = new Postgres(testbed.database.url);
  await sql.connect();
  try {
    await eventually(async () => {
      const { rows } = await sql.query<{ owner: string; nodes: string[] }>(
        'select owner, array(select node_id from sequencer_lease) as nodes from partition_state',
      );
      expect(rows).toHaveLength(1);
      expect(rows[0]!.nodes).toHaveLength(2);
      expect(rows[0]!.owner).toBe(sharePartitions(1, rows[0]!.nodes)[0]);
    });
  } finally {
    await sql.end();
  }
}

const connectTo = (testbed: Testbed, uid: string, gateway: number): Promise<Client> => {
  const channels = { '*': { subscribe: true, historyStart: 0 }, [NOTES]: { subscribe: true, storage: STORAGE } };
  return testbed.connect({ uid, channels }, testbed.gateways[gateway]);
};
const uidsOf = (members: readonly Frame[]): string[] => members.map(({ uid }) => uid as string);

/** Changes of members that a client was told of, each checked to fit the one before. */
function changes({ ws }: Client, event: string, self: string): string[] {
  let before = new Set<string>();
  const uids: string[] = [];
  for (const { event: name, data } of ws.frames.filter(({ channel }) => channel === PRESENCE)) {
    const now = new Set(uidsOf(data.members));
    if (name !== 'hotsock.subscribed') {
      const uid = data.member.uid as string;
      expect([uid, before.has(uid), now.has(uid)]).toEqual([uid, name !== ADDED, name === ADDED]);
      expect(Math.abs(now.size - before.size)).toBe(1);
      if (name === event) uids.push(uid);
    }
    expect(now).toContain(self);
    before = now;
  }
  return uids;
}

it.concurrent.each<[string, (server: TestPostgres) => Promise<void>, (server: TestPostgres) => Promise<void> | void]>([
  ['is gone', (server) => server.kill(), (server) => server.restart()],
  ['does not answer', (server) => server.freeze(), (server) => server.thaw()],
])('while Postgres %s for longer than leases last, presence goes on and nobody is taken for dead', (_, begin, end) =>
  withInstallation(async (testbed, postgres) => {
    const connect = (uid: string, gateway: number) => connectTo(testbed, uid, gateway);
    const observers = await Promise.all([0, 1].map((n) => connect(`observer${n}`, n)));
    const [closing, leaving, last] = await Promise.all([
      connect('closing', 0),
      connect('leaving', 1),
      connect('last', 1),
    ]);
    const guests = await Promise.all([0, 1].map((n) => connect(`guest${n}`, n)));
    for (const client of [...observers, closing, leaving, last]) {
      await client.subscribe(PRESENCE);
      await client.subscribe(ROOM);
    }
    await observers[0]!.subscribe(NOTES);
    await testbed.publish({ channel: NOTES, event: 'hotsock.channelStorageSet', key: 'k', data: 1 });
    await observers[0]!.ws.next('hotsock.channelStorageUpdated');
    await eventually(async () => expect((await testbed.channel(ROOM)).subscriptionsCount).toBe(5));

    await begin(postgres);
    const endMs = Date.now() + OUTAGE_MS;
    await leaving.unsubscribe(PRESENCE);
    await closing.ws.close();
    const late = await connect('late', 1);
    await late.subscribe(PRESENCE);
    await late.subscribe(ROOM);
    const visits: string[] = [];
    for (let n = 0; Date.now() < endMs; n++) {
      const guest = guests[n % 2]!;
      visits.push(`guest${n % 2}`);
      await guest.subscribe(PRESENCE);
      await testbed.publish({ channel: ROOM, event: 'e', data: n });
      await Promise.all(observers.map(({ ws }) => ws.next((frame) => frame.channel === ROOM && frame.data === n)));
      await guest.unsubscribe(PRESENCE);
      await delay(250);
    }
    const gone = ['closing', 'leaving', ...visits];
    await eventually(() => {
      observers.forEach((observer, n) => {
        expect(changes(observer, REMOVED, `observer${n}`).sort()).toEqual([...gone].sort());
      });
    });

    // From here on something waits for Postgres, and all of the partition behind it.
    const notes = ['x', 'y', 'z'];
    await testbed.publish(
      ...notes.map((data) => ({ channel: NOTES, event: 'note', data, store: 600 })),
      { channel: NOTES, event: 'hotsock.channelStorageSet', key: 'k', data: 2 },
      { channel: NOTES, event: 'hotsock.channelStorageSet', key: 'new', data: 3 },
    );
    await last.unsubscribe(PRESENCE);
    gone.push('last');
    expect((await testbed.get(`/channels/${ROOM}`)).status).toBe(503);
    expect(observers[0]!.ws.frames.map(({ event }) => event)).not.toContain('note');

    for (const { pid } of testbed.gateways) await pauseProcess(pid);
    await end(postgres);
    await delay(LATE_MS);
    for (const { pid } of testbed.gateways) resumeProcess(pid);

    const expectTheTruth = async (): Promise<void> => {
      const members = ['observer0', 'observer1', 'late'];
      const presence = await testbed.channel(PRESENCE);
      expect([uidsOf(presence.members), presence.subscriptionsCount]).toEqual([members, 3]);
      expect((await testbed.channel(ROOM)).subscriptionsCount).toBe(5);
      observers.forEach((observer, n) => {
        expect(changes(observer, REMOVED, `observer${n}`).sort()).toEqual([...gone].sort());
        expect(observer.ws.frames.filter(({ event }) => event === 'e')).toHaveLength(visits.length);
        expect(observer.ws.socket.readyState).toBe(observer.ws.socket.OPEN);
      });
      const told = observers[0]!.ws.frames.filter(({ channel }) => channel === NOTES).slice(2);
      expect(told.map(({ key, data }) => [key, data] as const)).toEqual([
        ...notes.map((data) => [undefined, data]),
        ['k', 2],
        ['new', 3],
      ]);
      const kept = await observers[1]!.list({ channel: NOTES });
      expect(kept.map(({ data }) => data as string)).toEqual(notes);
      const { items } = (await testbed.get(`/channels/${NOTES}/storage`)).json;
      expect(items.map(({ key, data }: Frame) => [key, data])).toEqual([
        ['k', 2],
        ['new', 3],
      ]);
    };
    await eventually(expectTheTruth);
    await delay(LOOKED_AGAIN_MS);
    await expectTheTruth();
  }),
);
