import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HearthConfig } from './config';
import { projectRoot } from './project-root';

/** What an installation tells about itself (configuration §4). Contains no secret. */
export interface Outputs {
  readonly service: string;
  readonly nodeId: string;
  readonly webSocketUrl: string;
  /** With trailing `/`. */
  readonly httpApiUrl: string;
  readonly publishHttpApiUrl: string;
  readonly publishFunctionArn: string;
  /** Where the two API keys are configured; never the keys. */
  readonly httpApiKeysConfiguredIn: readonly string[];
  readonly eventsStream: string;
  readonly eventsSubjectPrefix: string;
  readonly eventsEnabled: boolean;
  /** Absent where the console is switched off. */
  readonly webConsoleUrl?: string;
  readonly version: string;
  readonly compatVersion: string;
}

/** `port`: the port that is really bound, when `HEARTH_PORT=0` left the choice to the system. */
export function outputsOf(config: HearthConfig, port = config.port): Outputs {
  const httpApiUrl = withSlash(config.publicHttpUrl ?? derivedUrl(config, 'http', port));
  const webSocketUrl = config.publicWsUrl ?? `${derivedUrl(config, 'ws', port)}${advertisedPath(config.wsPaths)}`;
  return {
    service: config.service,
    nodeId: config.nodeId,
    webSocketUrl,
    httpApiUrl,
    publishHttpApiUrl: `${httpApiUrl}publish`,
    publishFunctionArn: functionArn(config),
    httpApiKeysConfiguredIn: ['HEARTH_HTTP_API_KEY_1', 'HEARTH_HTTP_API_KEY_2'],
    eventsStream: config.eventsStream,
    eventsSubjectPrefix: config.eventsSubjectPrefix,
    eventsEnabled: config.reloadable.current.eventsEnabled,
    webConsoleUrl: config.consoleEnabled
      ? `${httpApiUrl}console?wssUrl=${encodeURIComponent(webSocketUrl)}`
      : undefined,
    version: VERSION,
    compatVersion: config.compatVersion,
  };
}

/** Version of Hearth itself. */
export const VERSION = (JSON.parse(readFileSync(join(projectRoot(), 'package.json'), 'utf8')) as { version: string })
  .version;

function derivedUrl(config: HearthConfig, scheme: 'http' | 'ws', port: number): string {
  const secure = config.tlsCertFile === undefined ? '' : 's';
  const everywhere = config.host === '0.0.0.0' || config.host === '::';
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  return `${scheme}${secure}://${everywhere ? 'localhost' : host}:${port}`;
}

/** Hosted installations hand out `…/v1`; so do we as long as that path is served. */
function advertisedPath(wsPaths: readonly string[]): string {
  return wsPaths.includes('/v1') ? '/v1' : (wsPaths[0] ?? '/');
}

function functionArn(config: HearthConfig): string {
  const name = config.publishFunctionNames[0] ?? '';
  return `arn:aws:lambda:${config.awsRegion}:${config.awsAccountId}:function:${name}`;
}

function withSlash(url: string): string {
  return url.endsWith('/') ? url : `${url}/`;
}
