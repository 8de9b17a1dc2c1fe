import { setTimeout as delay } from 'node:timers/promises';
import { Client, Testbed } from '../support/installation';
import { Client as Postgres } from 'pg';
import { eventually } from '../support/eventually';
import { pauseProcess, resumeProcess } from '../support/pause-process';
import type { Frame } from '../support/ws-client';
import { about, EventLog } from './event-log';

let testbed: Testbed;
let sql: Postgres;
beforeEach(async () => {
  testbed = await Testbed.start();
  sql = new Postgres(testbed.database.url);
  await sql.connect();
});
afterEach(async () => {
  await sql.end();
  await testbed.stop();
});

const ANY = { '*': { subscribe: true } };
const connect = (uid: string, gateway: number): Promise<Client> =>
  testbed.connect({ uid, channels: ANY }, testbed.gateways[gateway]);
/** A member's changes are told at once when there are no more than four a second. */
const CALM_MS = 250;
const isCalm = (uid: string): boolean => uid.startsWith('calm');
const uids = (frame: Frame): unknown => frame.data.members.map(({ uid }: Frame) => uid);

describe('presence and counts', () => {
  it('lose what a killed gateway held, with events, within 60 s (acceptance 4)', async () => {
    const events = await EventLog.open(testbed.nats.url);
    const observer = await connect('o', 0);
    const ghosts = await Promise.all(['a', 'b', 'c'].map((uid) => connect(uid, 1)));
    for (const client of [observer, ...ghosts]) {
      await client.subscribe('presence.d');
      await client.subscribe('d');
    }
    await eventually(async () => expect((await testbed.channel('d')).subscriptionsCount).toBe(4));
    const killedAt = Date.now();
    await testbed.gateways[1]?.kill('SIGKILL');
    await eventually(() => expect(uids(observer.ws.frames.at(-1))).toEqual(['o']), 60_000);
    process.stdout.write(`members of a killed gateway were gone after ${Date.now() - killedAt} ms\n`);
    await eventually(async () => expect((await testbed.channel('d')).subscriptionsCount).toBe(1));
    expect(await testbed.channel('presence.d')).toMatchObject({
      subscriptionsCount: 1,
      members: [{ uid: 'o', umd: null }],
    });
    const removals = observer.ws.frames.filter(({ event }) => event === 'hotsock.memberRemoved');
    expect(removals.map(({ data }) => data.member.uid as string).sort()).toEqual(['a', 'b', 'c']);
    await eventually(() => {
      expect(events.names(about('presence.d')).filter((name) => name === 'memberRemoved')).toHaveLength(3);
      expect(events.names(about('presence.d')).filter((name) => name === 'unsubscribed')).toHaveLength(3);
    });
    const reports = 'select distinct gateway_id from subscription_report';
    await eventually(async () => expect((await sql.query(reports)).rows).toEqual([{ gateway_id: numberOf(observer) }]));
    await events.close();
  });

  it('have a gateway that was taken for dead close what it holds and go on under another number', async () => {
    const client = await connect('a', 0);
    await client.subscribe('presence.d');
    await sql.query('delete from gateway_lease where gateway_id = $1', [numberOf(client)]);
    expect(await client.ws.closed).toEqual({ code: 1001, reason: 'Going away' });
    const again = await connect('a', 0);
    expect(numberOf(again)).not.toBe(numberOf(client));
    await again.subscribe('presence.d');
    await eventually(async () => {
      expect(await testbed.channel('presence.d')).toMatchObject({
        subscriptionsCount: 1,
        members: [{ uid: 'a', umd: null }],
      });
    });
  });

  it('have nobody in a channel that could not be entered in time, and go on with the next attempt', async () => {
    const client = await connect('a', 0);
    const sequencer = testbed.apps.find(({ name }) => name === 'sequencer')?.pid ?? 0;
    await pauseProcess(sequencer);
    client.ws.send({ event: 'hotsock.subscribe', channel: 'presence.s' });
    expect(await client.ws.closed).toEqual({ code: 1013, reason: 'Try again later' });
    resumeProcess(sequencer);
    await eventually(async () => {
      expect(await testbed.channel('presence.s')).toMatchObject({ subscriptionsCount: 0, members: [] });
    });
    const again = await connect('a', 0);
    expect((await again.subscribe('presence.s')).data.members).toEqual([{ uid: 'a', umd: null }]);
  });

  it('let members out who closed their connection while they were being let in', async () => {
    const clients = await Promise.all(Array.from({ length: 20 }, (_, n) => connect(`u${n}`, n % 2)));
    for (const { ws } of clients) {
      ws.send({ event: 'hotsock.subscribe', channel: 'presence.q' });
      // The frame leaves, the answer finds nobody.
      setImmediate(() => ws.socket.terminate());
    }
    await Promise.all(clients.map(({ ws }) => ws.closed));
    await eventually(async () => {
      expect(await testbed.channel('presence.q')).toMatchObject({ subscriptionsCount: 0, members: [] });
    });
  });

  it('survive sequencers that are killed again and again while members come and go', async () => {
    const observer = await connect('o', 0);
    await observer.subscribe('presence.k');
    // Half of them come and go so often that their changes are gathered (limits §5).
    const members = Array.from({ length: 8 }, (_, n) => (n < 4 ? `calm${n}` : `wild${n}`));
    const clients = await Promise.all(members.map((uid, n) => connect(uid, n % 2)));
    const isIn = clients.map(() => false);
    let killing = true;
    const kills = (async () => {
      for (let n = 0; n < 3; n++) {
        const victim = testbed.apps.findLast(({ name }) => name === 'sequencer');
        await testbed.add('sequencer');
        await victim?.kill('SIGKILL');
      }
      killing = false;
    })();
    await Promise.all(
      clients.map(async ({ ws }, n) => {
        while (killing) {
          ws.send({ event: isIn[n] === true ? 'hotsock.unsubscribe' : 'hotsock.subscribe', channel: 'presence.k' });
          const answer = await ws.next(({ event }) => /subscribed|error/.test(event as string));
          // Refused while no sequencer owned the channel; it may be asked for again.
          if (answer.event === 'hotsock.error') expect(answer.error.code).toBe('SERVICE_UNAVAILABLE');
          else isIn[n] = isIn[n] !== true;
          if (isCalm(members[n] ?? '')) await delay(CALM_MS);
        }
      }),
    );
    await kills;
    const expected = ['o', ...members.filter((_, n) => isIn[n] === true)].sort();
    await eventually(async () => {
      const info = await testbed.channel('presence.k');
      expect(info.members.map(({ uid }: Frame) => uid).sort()).toEqual(expected);
      expect(info.subscriptionsCount).toBe(expected.length);
      expect(observer.ws.frames.at(-1).data.members).toEqual(info.members);
    });
    expectEachToFit(observer.ws.frames.filter(({ event }) => /member/.test(event as string)));
  });
});

/**
 * Each event tells of one member as its own list has it; and of calm members every list has what the events up to it tell,
 * whatever the others do meanwhile.
 */
function expectEachToFit(events: readonly Frame[]): void {
  let calm: readonly string[] = [];
  for (const { event, data } of events) {
    const uid = data.member.uid as string;
    const listed = data.members.map((one: Frame) => one.uid as string) as string[];
    const isAdded = event === 'hotsock.memberAdded';
    expect([uid, listed.includes(uid)]).toEqual([uid, isAdded]);
    if (isCalm(uid)) {
      expect([uid, calm.includes(uid)]).toEqual([uid, !isAdded]);
      calm = isAdded ? [...calm, uid].sort() : calm.filter((one) => one !== uid);
    }
    expect(listed.filter(isCalm).sort()).toEqual(calm);
  }
  expect(events.some(({ data }) => isCalm(data.member.uid as string))).toBe(true);
}

function numberOf({ id }: Client): number {
  return Buffer.from(id, 'base64url').readUIntBE(0, 3);
}
