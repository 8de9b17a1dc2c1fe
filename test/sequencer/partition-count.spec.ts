import { connect } from 'nats';
import { Testbed } from '../support/installation';
import { createDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { TestPostgres } from '../support/postgres';
import { type AppName, startApp } from '../support/process';

/** `HEARTH_PARTITIONS` decides which partition a channel is in, so it is the same everywhere and for ever. */
const REFUSAL = 'HEARTH_PARTITIONS is 3, but this installation was created with 2 and the number cannot change';

let postgres: TestPostgres;
let testbed: Testbed;
beforeAll(async () => {
  postgres = await TestPostgres.start();
  testbed = await Testbed.start({ HEARTH_PARTITIONS: '2' }, () => createDatabase(postgres.url));
});
afterAll(() => testbed.stop().finally(() => postgres.stop()));

const startWithAnother = (name: AppName) => startApp(name, { ...testbed.env, HEARTH_PARTITIONS: '3' });

it.each<AppName>(['hearth', 'sequencer', 'gateway', 'publish-api'])(
  '%s does not start with another number than the installation has, and changes nothing',
  async (name) => {
    await expect(startWithAnother(name)).rejects.toThrow(/ended with {"code":1,[^]*HEARTH_PARTITIONS is 3/);
    await expect(startWithAnother(name)).rejects.toThrow(REFUSAL);
    const nats = await connect({ servers: testbed.nats.url });
    const streams = await (await nats.jetstreamManager()).streams.names().next();
    await nats.close();
    expect(streams).toContain('HEARTH_INGEST_1');
    expect(streams).not.toContain('HEARTH_INGEST_2');
  },
);

it('publish-api ends as soon as Postgres can tell', async () => {
  await postgres.kill();
  const publishApi = await startWithAnother('publish-api');
  expect(publishApi.lines.join('\n')).toContain('is not known yet');
  await postgres.restart();
  expect(await publishApi.exited).toMatchObject({ code: 1 });
  expect(publishApi.lines.join('\n')).toContain(REFUSAL);
  await eventually(async () => expect((await testbed.channel('c')).subscriptionsCount).toBe(0));
});
