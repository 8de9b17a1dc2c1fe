import type { HearthConfig } from '@hearth/config';
import { appendMessages, type LogRow, openDatabase } from '@hearth/store';
import { logRow } from '../store/log-row';
import { createDatabase } from '../support/database';
import { startNats, type TestNats } from '../support/nats';
import { FakeSequencer } from './fake-sequencer';
import { GatewayUnderTest, type TestServers } from './gateway-under-test';

/** One spec file's own NATS, database, gateway and sequencer. */
export interface Testbed {
  readonly nats: TestNats;
  readonly servers: TestServers;
  readonly gateway: GatewayUnderTest;
  readonly sequencer: FakeSequencer;
  /** Another gateway of the same installation, by default as near to its servers; stopped with the rest. */
  anotherGateway(settings?: Partial<HearthConfig>, servers?: TestServers): Promise<GatewayUnderTest>;
  /** Puts messages into the log that no sequencer puts there. */
  store(rows: readonly Partial<LogRow>[]): Promise<void>;
  stop(): Promise<void>;
}

export async function startTestbed(settings: Partial<HearthConfig> = {}): Promise<Testbed> {
  const [nats, database] = await Promise.all([startNats(), createDatabase()]);
  const servers = { natsUrl: nats.url, databaseUrl: database.url };
  const gateways: GatewayUnderTest[] = [];
  const anotherGateway = async (own: Partial<HearthConfig> = {}, through = servers) => {
    const gateway = await GatewayUnderTest.start(through, own);
    gateways.push(gateway);
    return gateway;
  };
  const gateway = await anotherGateway(settings);
  const sequencer = await FakeSequencer.open(nats.url);
  await sequencer.run(2);
  return {
    nats,
    servers,
    gateway,
    sequencer,
    anotherGateway,
    store: async (rows) => {
      const log = openDatabase(database.url, { applicationName: 'test' });
      await appendMessages(
        log.db,
        rows.map((row) => logRow(row)),
      );
      await log.close();
    },
    stop: async () => {
      await Promise.all(gateways.map((each) => each.stop()));
      await sequencer.close();
      await nats.stop();
      await database.drop();
    },
  };
}
