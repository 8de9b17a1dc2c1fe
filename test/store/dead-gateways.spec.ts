import {
  claimGatewayId,
  deadGateways,
  endLeases,
  leftConnections,
  leftCounts,
  openDatabase,
  renewGatewayLease,
  standingLeases,
} from '@hearth/store';
import { sql } from 'kysely';
import { createDatabase } from '../support/database';

it('a gateway is dead when its lease has been ended, and what it left is found by partition', async () => {
  const server = await createDatabase();
  const database = openDatabase(server.url, { applicationName: 'test' });
  const { db } = database;
  try {
    const [living, late, dead] = [
      await claimGatewayId(db, 'living', 60_000),
      await claimGatewayId(db, 'late', 0),
      await claimGatewayId(db, 'dead', -60_000),
    ];
    for (const [partition, gateway] of [living, late, dead, dead].map((id, n) => [n, id] as const)) {
      await sql`insert into presence_connection values
        ('presence.p', ${`c${partition}`}, ${partition}, ${gateway}, '"u"', 'null', 1, true)`.execute(db);
      await sql`insert into subscription_count values (${`s${partition}`}, ${gateway}, ${partition}, 1)`.execute(db);
    }
    expect(await deadGateways(db, [0, 1, 2, 3])).toEqual([]);
    const leases = await standingLeases(db);
    expect(leases.map(({ gatewayId }) => gatewayId).sort()).toEqual([living, late, dead].sort());
    // However much later the statement runs, one that was renewed since is not ended.
    await renewGatewayLease(db, late, 'late', 0);
    expect(
      await endLeases(
        db,
        leases.filter(({ gatewayId }) => gatewayId !== living),
      ),
    ).toEqual([dead]);
    expect(await deadGateways(db, [0, 1, 2])).toEqual([{ partition: 2, gatewayId: dead }]);
    expect(await deadGateways(db, [0, 1])).toEqual([]);
    expect((await deadGateways(db, [0, 1, 2, 3])).map(({ partition }) => partition).sort()).toEqual([2, 3]);
    await sql`insert into subscription_report values (4, ${living}, 'r', 1), (5, ${dead}, 'r', 1)`.execute(db);
    expect(await deadGateways(db, [4, 5])).toEqual([{ partition: 5, gatewayId: dead }]);
    expect(await leftConnections(db, { partition: 2, gatewayId: dead }, 10)).toEqual([
      { channel: 'presence.p', connectionId: 'c2' },
    ]);
    expect(await leftCounts(db, { partition: 3, gatewayId: dead }, 10)).toEqual(['s3']);
    expect(await leftCounts(db, { partition: 3, gatewayId: dead }, 0)).toEqual([]);
  } finally {
    await database.close();
    await server.drop();
  }
});
