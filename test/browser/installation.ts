import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDatabase } from '../support/database';
import { startNats } from '../support/nats';
import { type AppProcess, startApp } from '../support/process';
import { dataDirPrefix } from '../support/servers';
import { signToken } from '../support/tokens';

export const API_KEY = 'browser-spec-key';

/** An all-in-one with a database and a NATS of its own. */
export interface Installation {
  readonly hearth: AppProcess;
  /** Base64. */
  readonly signingSecret: string;
  /** A connect token. */
  token(claims: Record<string, unknown>): string;
  /** As a backend does, over HTTP. */
  publish(document: object): Promise<void>;
  stop(): Promise<void>;
}

export async function startInstallation(more: Readonly<Record<string, string>> = {}): Promise<Installation> {
  const secret = randomBytes(32);
  const dataDir = join(tmpdir(), `${dataDirPrefix}${randomBytes(6).toString('hex')}`);
  const [nats, database] = await Promise.all([startNats(), createDatabase()]);
  const env = {
    HEARTH_NATS_URL: nats.url,
    HEARTH_DATABASE_URL: database.url,
    HEARTH_DATA_DIR: dataDir,
    HEARTH_SIGNING_KEY_1_ENCODED: secret.toString('base64'),
    HEARTH_HTTP_API_KEY_1: API_KEY,
    HEARTH_DRAIN_SECONDS: '0',
    ...more,
  };
  const close = async () => {
    await Promise.all([nats.stop(), database.drop()]);
    await rm(dataDir, { recursive: true, force: true });
  };
  const hearth = await startApp('hearth', env, { readyWithinMs: 60_000 }).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  return {
    hearth,
    signingSecret: secret.toString('base64'),
    token: (claims) => signToken({ scope: 'connect', ...claims }, { secret }),
    publish: async (document) => {
      const headers = { authorization: `Bearer ${API_KEY}` };
      const body = JSON.stringify(document);
      const response = await fetch(`${hearth.httpUrl}/publish`, { method: 'POST', body, headers });
      expect(response.status).toBe(202);
    },
    stop: async () => {
      await hearth.stop();
      await close();
    },
  };
}
