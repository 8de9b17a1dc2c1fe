import { Testbed } from './testbed';

const MIB = 1_048_576;

let testbed: Testbed;
beforeAll(async () => (testbed = await Testbed.start()));
afterAll(() => testbed.stop());

async function settings(name: string) {
  const { config } = await (await testbed.connection.manager()).streams.info(name);
  return { bytes: config.max_bytes, seconds: config.max_age / 1e9 };
}

/** What the streams are when a sequencer has started with these variables. */
async function after(env: Readonly<Record<string, string>>) {
  await (await testbed.addSequencer(env)).stop();
  return [await settings('HEARTH_DELIVER'), await settings('HEARTH_INGEST_0'), await settings('HEARTH_INGEST_3')];
}

it('changed settings of streams are those of existing streams after the next start, but none that drops an accepted message', async () => {
  const larger = { HEARTH_DELIVER_MAX_AGE_SECONDS: '1200', HEARTH_DELIVER_MAX_BYTES: String(512 * MIB) };
  expect(await after({ ...larger, HEARTH_INGEST_MAX_BYTES: String(512 * MIB) })).toEqual([
    { bytes: 512 * MIB, seconds: 1_200 },
    { bytes: 128 * MIB, seconds: 0 },
    { bytes: 128 * MIB, seconds: 0 },
  ]);
  const smaller = { HEARTH_DELIVER_MAX_AGE_SECONDS: '10', HEARTH_DELIVER_MAX_BYTES: String(32 * MIB) };
  expect(await after({ ...smaller, HEARTH_INGEST_MAX_BYTES: String(4 * MIB) })).toEqual([
    { bytes: 32 * MIB, seconds: 10 },
    { bytes: 128 * MIB, seconds: 0 },
    { bytes: 128 * MIB, seconds: 0 },
  ]);
});

it('streams stay as they are when NATS refuses the change', async () => {
  const sequencer = await testbed.addSequencer({ HEARTH_DELIVER_MAX_BYTES: '1099511627776' });
  expect(sequencer.lines.join('\n')).toContain('streams could not be brought to what is set');
});
