import { randomBytes } from 'node:crypto';
import { withConnection } from '@hearth/store';

/** A database that lives as long as somebody has a use for it. */
export interface ScratchDatabase {
  readonly url: string;
  /** Ends all connections to it and removes it. */
  drop(): Promise<void>;
}

/**
 * Makes an empty database with a random name on the server at `serverUrl`, whose user must be allowed to.
 *
 * @param options of `create database`
 */
export async function createScratchDatabase(serverUrl: string, prefix: string, options = ''): Promise<ScratchDatabase> {
  const name = `${prefix}_${randomBytes(6).toString('hex')}`;
  await onServer(serverUrl, `create database ${name} ${options}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => onServer(serverUrl, `drop database if exists ${name} with (force)`) };
}

async function onServer(url: string, statement: string): Promise<void> {
  await withConnection(url, 'hearth', (client) => client.query(statement));
}
