import { every, type Repeated } from '@hearth/timing';
import { Backend } from '../events/backend';
import { eventually } from '../support/eventually';
import { TcpProxy } from '../support/tcp-proxy';
import { Testbed } from './testbed';

const [DEAD, LIVING] = [1, 2];

let testbed: Testbed;
let proxy: TcpProxy;
let backend: Backend;
let renewals: Repeated | undefined;
const troubles: unknown[] = [];

beforeEach(async () => {
  testbed = await Testbed.start();
  proxy = await TcpProxy.start(testbed.nats.port);
  const HEARTH_NATS_URL = `nats://127.0.0.1:${proxy.port}`;
  await testbed.addSequencer({ HEARTH_NATS_URL, HEARTH_EVENTS_ENABLED: 'true' });
  backend = await Backend.open(testbed.nats.url, (error) => troubles.push(error));
});
afterEach(async () => {
  await renewals?.stop();
  await backend?.close();
  await testbed?.stop();
  await proxy?.stop();
});

/** Does what a gateway does that has so many subscriptions to a channel. */
function report(gatewayId: number, count: number): Promise<void> {
  const partition = testbed.ingest.partitionOf('c');
  return testbed.ingest.perform({
    kind: 'subscriptions',
    partition,
    gatewayId,
    events: true,
    changes: [{ channel: 'c', count }],
  });
}

const told = (): unknown => backend.events.map(({ envelope }) => envelope.data.subscriptionsCount as number);

/** Gives both a lease, and renews that of the living one from now on; `ahead` is an interval from now by the clock of Postgres. */
async function lease(ahead: string): Promise<void> {
  await testbed.sql.query(`insert into gateway_lease select id, 'n', now() + $2 from unnest($1::int4[]) as id`, [
    [DEAD, LIVING],
    ahead,
  ]);
  const renew = `update gateway_lease set expires_at = expires_at + interval '1 millisecond' where gateway_id = ${LIVING}`;
  renewals = every(1_000, () => testbed.sql.query(renew));
}

it('the end of what a dead gateway left is told once although NATS is lost while it is being removed', async () => {
  await lease('1 hour');
  await report(DEAD, 3);
  await report(LIVING, 5);
  await eventually(() => expect(told()).toEqual([3, 8]));
  // The sequencer takes over ten seconds to see that nobody answers, and tries more than once meanwhile.
  proxy.swallowAnswers();
  await testbed.sql.query('delete from gateway_lease where gateway_id = $1', [DEAD]);
  await eventually(() => expect(told()).toContain(5));
  await report(LIVING, 6);
  await eventually(() => expect(told()).toEqual([3, 8, 5, 6]));
  expect(troubles).toEqual([]);
});

it.each(['-1 minute', '1 hour'])(
  'who renews a lease lives and nobody else, although its end is %s from now',
  async (ahead) => {
    await lease(ahead);
    const leased = 'select gateway_id as id from gateway_lease order by 1';
    await eventually(async () => {
      const { rows } = await testbed.sql.query<{ id: number }>(leased);
      expect(rows.map(({ id }) => id)).not.toContain(DEAD);
    });
    expect((await testbed.sql.query(leased)).rows).toEqual([{ id: LIVING }]);
  },
);
