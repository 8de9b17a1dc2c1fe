import { migrate, openDatabase, type Database } from '@hearth/store';
import { sql } from 'kysely';
import { Client } from 'pg';
import { eventually } from '../support/eventually';
import { TestPostgres } from '../support/postgres';
import { TcpProxy } from '../support/tcp-proxy';

/** Two servers and an address that leads to one of them, as a name or a proxy does that follows the primary. */
describe('a fail-over to another server', () => {
  let former: TestPostgres;
  let next: TestPostgres;
  let address: TcpProxy;
  let database: Database;

  const portOf = (server: TestPostgres) => Number(new URL(server.url).port);

  async function execute(server: TestPostgres, ...statements: readonly string[]): Promise<void> {
    const client = new Client({ connectionString: server.url });
    await client.connect();
    for (const statement of statements) await client.query(statement);
    await client.end();
  }

  beforeAll(async () => {
    [former, next] = await Promise.all([TestPostgres.start(), TestPostgres.start()]);
    for (const server of [former, next]) {
      await migrate(server.url);
      await execute(server, `create role everywhere superuser login password 'everywhere'`);
    }
    address = await TcpProxy.start(portOf(former));
  });
  beforeEach(() => {
    address.lead(portOf(former));
    const url = `postgres://everywhere:everywhere@127.0.0.1:${address.port}/hearth`;
    database = openDatabase(url, { applicationName: 'test', max: 2 });
  });
  afterEach(async () => {
    await execute(former, 'alter system reset default_transaction_read_only', 'select pg_reload_conf()');
    await database.close();
  });
  afterAll(async () => {
    await address.stop();
    await former.stop();
    await next.stop();
  });

  /** What fences off a primary that has lost its place: its sessions live on, and only read. */
  const fenceOff = (server: TestPostgres) =>
    execute(server, 'alter system set default_transaction_read_only = on', 'select pg_reload_conf()');
  const problem = () =>
    database.ping().then(
      () => 'none',
      (error: Error) => error.message,
    );
  /** The servers of two sessions that are open at the same time. */
  const servers = () => {
    const port = sql<{ port: number }>`select inet_server_port() as port, pg_sleep(0.1)`;
    return Promise.all([1, 2].map(async () => (await port.execute(database.db)).rows[0]!.port));
  };

  it('leaves no session on one that only reads, among them those that nobody has written with', async () => {
    expect(await servers()).toEqual([portOf(former), portOf(former)]);
    await fenceOff(former);
    address.lead(portOf(next));
    await eventually(async () => expect(await problem()).toMatch(/read-only transaction/));
    expect(await servers()).toEqual([portOf(next), portOf(next)]);
    expect(await problem()).toBe('none');
  });

  it('loses one write, not every one that comes by the old session', async () => {
    const write = () => sql`update message_log set channel = channel where false`.execute(database.db);
    await write();
    await fenceOff(former);
    address.lead(portOf(next));
    await eventually(() => expect(write()).rejects.toThrow(/read-only transaction/));
    await write();
  });

  it('is not over, and the program not ready, while the address leads to a server that only reads', async () => {
    await fenceOff(former);
    await eventually(async () => expect(await problem()).toMatch(/only reads/));
    address.lead(portOf(next));
    expect(await problem()).toBe('none');
  });
});
