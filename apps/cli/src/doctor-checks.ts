import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { lastNatsUrl, lastPostgresUrl } from '@hearth/embedded';
import { outputsOf, type HearthConfig } from '@hearth/config';
import { describePgCronJob, openDatabase } from '@hearth/store';
import { StreamConnection } from '@hearth/stream';
import { reasonOf } from './failure';

/** What one look at an installation found. */
export interface Finding {
  readonly topic: string;
  readonly state: 'ok' | 'warning' | 'problem';
  /** What is so, and what to do about it where it is not well. */
  readonly text: string;
}

/** What one answer may take. */
const PATIENCE_MS = 5_000;
/** Each connection is a file; below this a gateway runs out of them before anything else. */
const FEW_FILES = 10_000;

/**
 * Looks at the installation that the settings describe, from the outside: nothing is started or changed.
 *
 * @param config of an all-in-one, or with `HEARTH_NATS_URL` and `HEARTH_DATABASE_URL` of services
 * @returns one finding or more a topic, in the order in which they depend on each other
 */
export async function examine(config: HearthConfig): Promise<Finding[]> {
  const topics = [readiness, publicPort, clock, nats, postgres, keys, files];
  const findings = await Promise.all(
    topics.map((look) => look(config).catch((error: unknown) => [unseen(look, error)])),
  );
  return findings.flat();
}

function unseen({ name }: { readonly name: string }, error: unknown): Finding {
  return { topic: name, state: 'problem', text: error instanceof Error ? error.message : String(error) };
}

const ok = (topic: string, text: string): Finding => ({ topic, state: 'ok', text });

/** @returns the answer, or why there is none */
function ask(url: string): Promise<Response | string> {
  return fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS) }).catch(reasonOf);
}

async function readiness(config: HearthConfig): Promise<Finding[]> {
  const url = `${adminUrl(config)}/readyz`;
  const answer = await ask(url);
  if (typeof answer === 'string') {
    const text = `nothing answers at ${url}. Is Hearth running? HEARTH_ADMIN_HOST and HEARTH_ADMIN_PORT say where (${answer})`;
    return [{ topic: 'readiness', state: 'problem', text }];
  }
  const { checks } = (await answer.json()) as { checks: Record<string, string> };
  const failed = Object.entries(checks).filter(([, outcome]) => outcome !== 'ok');
  if (failed.length === 0) return [ok('readiness', `all checks pass (${Object.keys(checks).join(', ')})`)];
  return failed.map(([name, outcome]) => ({ topic: 'readiness', state: 'problem', text: `${name}: ${outcome}` }));
}

async function publicPort(config: HearthConfig): Promise<Finding[]> {
  const { httpApiUrl } = outputsOf(config);
  const answer = await ask(`${httpApiUrl}publish`);
  const isAnswer = typeof answer !== 'string';
  // A GET of what takes a POST.
  if (isAnswer && answer.status === 405) return [ok('public port', `${httpApiUrl} answers`)];
  const found = isAnswer ? 'something else answers' : 'nothing answers';
  const why = isAnswer ? answer.status : answer;
  const text = `${found} at ${httpApiUrl}publish. HEARTH_PORT and HEARTH_PUBLIC_HTTP_URL say where (${why})`;
  return [{ topic: 'public port', state: 'problem', text }];
}

async function clock(config: HearthConfig): Promise<Finding[]> {
  const answer = await ask(`${adminUrl(config)}/metrics`);
  const metrics = typeof answer === 'string' ? '' : await answer.text();
  const [, ahead] = /^hearth_clock_ahead_seconds(?:{[^}]*})? (\S+)$/m.exec(metrics) ?? [];
  if (ahead === undefined)
    return [{ topic: 'clock', state: 'warning', text: 'not measured: Hearth or Postgres is away' }];
  const isOff = Math.abs(Number(ahead)) * 1_000 > config.clockToleranceMs;
  const text = `${Math.abs(Number(ahead))} s ${Number(ahead) < 0 ? 'behind' : 'ahead of'} the database's`;
  if (!isOff) return [ok('clock', text)];
  return [{ topic: 'clock', state: 'problem', text: `${text}: set it, with NTP (HEARTH_CLOCK_TOLERANCE_MS)` }];
}

async function nats(config: HearthConfig): Promise<Finding[]> {
  const own = config.natsUrls.length === 0 ? await lastNatsUrl(config.dataDir) : undefined;
  const natsUrls = own === undefined ? config.natsUrls : [own];
  if (natsUrls.length === 0) return [notYet('NATS', config)];
  const connection = await openConnection({ ...config, natsUrls });
  try {
    const sync =
      own === undefined ? 'not told by NATS: docs/deploy.md says what to set' : '1 s from 2.10 on, else a minute';
    return [ok('NATS', `nats-server ${connection.serverVersion}; sync_interval ${sync}`)];
  } finally {
    await connection.close();
  }
}

/** @throws Error saying why there is none within `PATIENCE_MS` */
async function openConnection(config: HearthConfig): Promise<StreamConnection> {
  let reason: string | undefined;
  const log = {
    info: () => undefined,
    warn: (message: string) => void (reason = message.replace(/ yet(: .*)\. Trying again$/, '$1')),
  };
  const starting = { interrupted: AbortSignal.timeout(PATIENCE_MS), admin: { addCheck: () => undefined } };
  return StreamConnection.open(config, 'doctor', log, starting).catch((error: unknown) => {
    throw reason === undefined ? error : new Error(reason);
  });
}

async function postgres(config: HearthConfig): Promise<Finding[]> {
  const url = config.databaseUrl ?? (await lastPostgresUrl(config.dataDir));
  if (url === undefined) return [notYet('Postgres', config)];
  const database = openDatabase(url, { applicationName: 'hearth-doctor', max: 1 });
  try {
    await database.ping();
    const version = ok('Postgres', `version ${await database.serverVersion()}, and it writes`);
    if (config.databaseUrl === undefined) return [version];
    const job = await describePgCronJob(database.db);
    return [
      version,
      {
        topic: 'pg_cron',
        state: /succeeded/.test(job) ? 'ok' : 'warning',
        text: `${job}; else a sequencer deletes expired rows`,
      },
    ];
  } finally {
    await database.close();
  }
}

/** The all-in-one makes its servers when it is first started. */
function notYet(topic: string, { dataDir }: HearthConfig): Finding {
  return { topic, state: 'problem', text: `none was ever started in ${dataDir}; HEARTH_DATA_DIR says where` };
}

async function keys({ reloadable: { current } }: HearthConfig): Promise<Finding[]> {
  const missing = [
    ...(current.signingKeys.length === 0
      ? ['no signing key, so no token is valid (HEARTH_SIGNING_KEY_1_ENCODED)']
      : []),
    ...(current.apiKeys.length === 0 ? ['no API key, so nobody publishes over HTTP (HEARTH_HTTP_API_KEY_1)'] : []),
  ];
  if (missing.length > 0) return missing.map((text) => ({ topic: 'keys', state: 'warning', text }));
  return [ok('keys', `${current.signingKeys.length} to check tokens with, ${current.apiKeys.length} for the HTTP API`)];
}

async function files(): Promise<Finding[]> {
  const { stdout } = await promisify(execFile)('sh', ['-c', 'ulimit -n']);
  const limit = stdout.trim();
  if (limit === 'unlimited' || Number(limit) >= FEW_FILES) return [ok('open files', `${limit} in this shell`)];
  return [
    { topic: 'open files', state: 'warning', text: `${limit} in this shell; each connection takes one (ulimit -n)` },
  ];
}

function adminUrl({ adminHost, adminPort }: HearthConfig): string {
  const host = adminHost === '0.0.0.0' ? '127.0.0.1' : adminHost === '::' ? '::1' : adminHost;
  return `http://${host.includes(':') ? `[${host}]` : host}:${adminPort}`;
}
