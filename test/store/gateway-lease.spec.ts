import { claimGatewayId, releaseGatewayLease, renewGatewayLease } from '@hearth/store';
import { sql } from 'kysely';
import { testDatabase } from './test-database';

describe('a gateway id', () => {
  const database = testDatabase();

  it('is a 24-bit number no other gateway has', async () => {
    const ids = await Promise.all(Array.from({ length: 50 }, (_, n) => claimGatewayId(database.db, `g${n}`, 60_000)));
    expect(new Set(ids).size).toBe(50);
    expect(ids.every((id) => Number.isInteger(id) && id >= 0 && id < 2 ** 24)).toBe(true);
  });

  it('stays with its gateway as long as it is renewed, and is lost to one that took it after it expired', async () => {
    const id = await claimGatewayId(database.db, 'owner', 60_000);
    expect(await renewGatewayLease(database.db, id, 'owner', 60_000)).toBe(true);
    expect(await renewGatewayLease(database.db, id, 'other', 60_000)).toBe(false);
    await sql`update gateway_lease set node_id = 'other' where gateway_id = ${id}`.execute(database.db);
    expect(await renewGatewayLease(database.db, id, 'owner', 60_000)).toBe(false);
    await releaseGatewayLease(database.db, id, 'owner');
    expect(await renewGatewayLease(database.db, id, 'other', 60_000)).toBe(true);
  });

  it('is free again when it is released', async () => {
    const id = await claimGatewayId(database.db, 'owner', 60_000);
    await releaseGatewayLease(database.db, id, 'owner');
    expect(await renewGatewayLease(database.db, id, 'owner', 60_000)).toBe(false);
  });
});
