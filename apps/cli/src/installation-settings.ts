import {
  ConfigError,
  type Environment,
  type HearthConfig,
  loadConfig,
  outputsOf,
  withInstallationAddress,
  withInstallationKeys,
} from '@hearth/config';
import { keptAddress, loadOrCreateKeys } from '@hearth/data-dir';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from './failure';

/**
 * The settings that a Hearth started here has: those of the environment, the keys that the all-in-one's first start made, and
 * the address that its last start wrote down. Starts nothing and makes nothing.
 *
 * @throws UsageError naming every variable that is wrong
 */
export async function installationSettings(env: Environment = process.env): Promise<HearthConfig> {
  try {
    const { dataDir } = loadConfig(env, 'hearth');
    const located = withInstallationAddress(env, await keptAddress(dataDir));
    if (!existsSync(join(dataDir, 'keys.json'))) return loadConfig(located, 'hearth');
    return loadConfig((await withInstallationKeys(located, loadOrCreateKeys)).env, 'hearth');
  } catch (error) {
    if (error instanceof ConfigError) throw new UsageError(error.problems.join('; '));
    throw new UsageError((error as Error).message, { cause: error });
  }
}

/** Where keys are looked for when no flag gives one; ends an error message. */
export function otherSources(variable: string): string {
  return `set ${variable}, or HEARTH_DATA_DIR to the folder of an all-in-one`;
}

/**
 * Address of the installation's HTTP API, with trailing `/`.
 *
 * @param url the flag `--url`: `http://host:port`, with or without `/publish` as it is handed out
 */
export function httpUrl(config: HearthConfig, url: string | undefined): string {
  if (url === undefined) return outputsOf(config).httpApiUrl;
  const { origin, pathname } = parseUrl(url, ['http:', 'https:'], 'http://localhost:8080');
  return `${origin}${pathname.replace(/\/+(publish\/?)?$/, '')}/`;
}

/**
 * Address to open WebSockets at.
 *
 * @param url the flag `--url`: a WebSocket URL, or the HTTP address of an installation that has its WebSockets at `/v1`
 */
export function webSocketUrl(config: HearthConfig, url: string | undefined): string {
  if (url === undefined) return outputsOf(config).webSocketUrl;
  const parsed = parseUrl(url, ['ws:', 'wss:', 'http:', 'https:'], 'ws://localhost:8080/v1');
  if (parsed.protocol.startsWith('ws')) return `${parsed.origin}${parsed.pathname}`;
  return `${parsed.origin.replace('http', 'ws')}${parsed.pathname.replace(/\/+$/, '')}/v1`;
}

function parseUrl(text: string, protocols: readonly string[], example: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && protocols.includes(url.protocol)) return url;
  throw new UsageError(`--url must be an address such as ${example}`);
}
