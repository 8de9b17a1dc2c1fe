import { Client } from 'pg';
import { createDatabase } from '../support/database';
import { startNats } from '../support/nats';
import { startApp, type AppProcess } from '../support/process';

export const API_KEY = 'the key of this installation';
/** In no single-byte character set, and its UTF-8 ends in a byte that is a blank elsewhere. */
export const ANY_TEXT_KEY = 'Schlüssel 🔑 ключ voilà';
export const ACCESS_KEY = {
  awsAccessKeyId: 'AKIAHEARTHTEST',
  awsSecretAccessKey: 'wJalrXUtnFEMI+K7MDENG/bPxRfiCYEXAMPLE',
};
export const FUNCTION_NAME = 'Hotsock-Publishing-J718-PublishFunction-t8ix';

/** A publish-api, a sequencer and a gateway, each a process, on a NATS and a database of their own. */
export interface Installation {
  readonly publishApi: AppProcess;
  readonly gateway: AppProcess;
  readonly sql: Client;
  stop(): Promise<void>;
}

/** @param tokenSettings which tokens the gateway accepts */
export async function startInstallation(tokenSettings: Readonly<Record<string, string>>): Promise<Installation> {
  const [nats, database] = await Promise.all([startNats(), createDatabase()]);
  const sql = new Client(database.url);
  await sql.connect();
  const env = {
    HEARTH_NATS_URL: nats.url,
    HEARTH_DATABASE_URL: database.url,
    HEARTH_PARTITIONS: '2',
    HEARTH_HTTP_API_KEY_1: API_KEY,
    HEARTH_HTTP_API_KEY_2: ANY_TEXT_KEY,
    HEARTH_AWS_ACCESS_KEYS: `${ACCESS_KEY.awsAccessKeyId}:${ACCESS_KEY.awsSecretAccessKey}`,
    HEARTH_PUBLISH_FUNCTION_NAMES: FUNCTION_NAME,
    ...tokenSettings,
  };
  const names = ['publish-api', 'sequencer', 'gateway'] as const;
  const started = await Promise.all(names.map((name) => startApp(name, env, { readyWithinMs: 60_000 })));
  const [publishApi, , gateway] = started as [AppProcess, AppProcess, AppProcess];
  return {
    publishApi,
    gateway,
    sql,
    stop: async () => {
      await Promise.all(started.map((app) => app.stop()));
      await sql.end();
      await Promise.all([nats.stop(), database.drop()]);
    },
  };
}
