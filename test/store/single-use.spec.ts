import { randomUUID } from 'node:crypto';
import { consumeSingleUse, openDatabase, type Database } from '@hearth/store';
import { sql } from 'kysely';
import type { ScratchDatabase } from '../../db/scratch-database';
import { createDatabase } from '../support/database';

const inAnHour = () => Date.now() / 1000 + 3_600;

describe('a single-use token', () => {
  let server: ScratchDatabase;
  let gateways: Database[];

  beforeAll(async () => {
    server = await createDatabase();
    gateways = ['g1', 'g2'].map((applicationName) => openDatabase(server.url, { applicationName }));
  });
  afterAll(async () => {
    await Promise.all(gateways.map((gateway) => gateway.close()));
    await server.drop();
  });

  const use = (jti: string, expiresAt = inAnHour(), gateway = 0, by: string = randomUUID()) =>
    consumeSingleUse(gateways[gateway]!.db, jti, expiresAt, by);

  it('passes once of a hundred uses at the same instant on two gateways', async () => {
    const uses = await Promise.all(Array.from({ length: 100 }, (_, index) => use('once', inAnHour(), index % 2)));
    expect(uses.filter(Boolean)).toHaveLength(1);
  });

  it('passes again for who asks again, and for nobody else', async () => {
    const by = randomUUID();
    const again = () => use('again', inAnHour(), 0, by);
    expect([await again(), await again(), await use('again'), await again()]).toEqual([true, true, false, true]);
  });

  it('does not use up another', async () => {
    expect([await use('a'), await use('A'), await use('b'), await use('a')]).toEqual([true, true, true, false]);
  });

  it('is known by any jti: long, empty of meaning, or with a null character', async () => {
    for (const jti of ['x'.repeat(50_000), ' ', 'a\u0000b', '😀']) {
      expect([await use(jti), await use(jti)]).toEqual([true, false]);
    }
  });

  it('is remembered until the latest expiry under which it was ever shown', async () => {
    expect(await use('twin', inAnHour())).toBe(true);
    expect(await use('twin', inAnHour() + 7_200)).toBe(false);
    const { rows } = await sql<{ count: number }>`
      select count(*) from single_use_token where expires_at > now() + interval '2 hours 30 minutes'`.execute(
      gateways[0]!.db,
    );
    expect(rows).toEqual([{ count: 1 }]);
  });

  it.each([0, 1.5, 1e18, Number.MAX_VALUE])('may expire at any finite time: %d', async (expiresAt) => {
    expect([await use(`exp ${expiresAt}`, expiresAt), await use(`exp ${expiresAt}`, expiresAt)]).toEqual([true, false]);
  });
});
