import { EVENT_VARIABLES } from './event-variables';
import { LIMIT_VARIABLES } from './limit-variables';
import { MANAGEMENT_VARIABLES } from './management-variables';
import { TOKEN_VARIABLES } from './token-variables';
import { optional, readBy, SINGLE_SERVICES, variable, type Variable } from './variable';
import {
  accessKeys,
  choice,
  cidrList,
  decimal,
  directory,
  flag,
  hostName,
  integer,
  isNatsServer,
  keyList,
  list,
  listOf,
  originList,
  pattern,
  readableFile,
  text,
  url,
  type Kind,
} from './variable-kinds';

const HTTP = ['publish-api', 'gateway', 'history'] as const;
/** Whoever starts may be the one to create the streams. */
const STREAM = ['publish-api', 'sequencer', 'gateway'] as const;

/** Seconds of a day. Times end at 7 days, far above anything useful and below what a timer takes (2^31 ms, 24.8 days). */
const DAY = 86_400;
/** 1 TiB, for limits of streams on disk. */
const TEBIBYTE = 1_099_511_627_776;

/**
 * Every environment variable, once (configuration §1, §2), by who reads it. The keys are the names in `HearthConfig`.
 * Parsing, the table in `docs/configuration.md` (compared by a spec) and the choice of what may be shown all come from here.
 */
export const VARIABLES = {
  ...TOKEN_VARIABLES,
  ...readBy(['gateway'], {
    wsPaths: variable(
      'HEARTH_WS_PATHS',
      listOf(
        (path) => /^\/[\x21-\x7e]*$/.test(path) && !/[?#]/.test(path),
        'a comma-separated list of paths such as /v1, each beginning with / and without ?, # and blanks',
      ),
      '/,/v1,/v1/',
      { meaning: 'Paths that accept WebSocket upgrades.' },
    ),
    wsOrigins: variable('HEARTH_WS_ORIGINS', originList(), '', {
      meaning: 'Browser origins that may open a WebSocket; unset = unchecked. Requests without `Origin` always may.',
    }),
    maxConnections: variable('HEARTH_MAX_CONNECTIONS', integer(0, 10_000_000), '50000', {
      meaning: 'WebSocket connections one gateway accepts; more are refused with `503`. `0` = no limit.',
    }),
  }),
  ...readBy(['sequencer', 'gateway'], {
    connectionMaxSeconds: variable('HEARTH_CONNECTION_MAX_SECONDS', integer(1, 7 * DAY), '7200', {
      meaning: 'A connection is closed at this age.',
    }),
  }),
  ...readBy(['gateway'], {
    connectionIdleSeconds: variable('HEARTH_CONNECTION_IDLE_SECONDS', integer(1, 7 * DAY), '600', {
      meaning: 'A connection without traffic is closed after this time.',
    }),
    keepAliveSeconds: variable('HEARTH_KEEP_ALIVE_SECONDS', integer(1, 7 * DAY), '570', {
      meaning:
        'Interval of `hotsock.keepAlive` for connections that asked for it; 95 % of the idle time where that is shorter.',
    }),
    resumeKeys: variable('HEARTH_RESUME_KEYS', keyList(), '', {
      defaultNote: 'made once, kept in Postgres',
      meaning: 'What resume tokens are signed with, by the first, and checked with, by all; several for a rotation.',
      marks: ['secret', 'reload'],
    }),
    wsPingSeconds: variable('HEARTH_WS_PING_SECONDS', integer(0, DAY), '30', {
      meaning: 'Interval of WebSocket protocol pings; `0` = off.',
    }),
    wsMaxMessageBytes: variable('HEARTH_WS_MAX_MESSAGE_BYTES', integer(1_024, 67_108_864), '131072', {
      meaning: 'Largest message a client may send on its socket.',
    }),
    wsMaxBacklogBytes: variable('HEARTH_WS_MAX_BACKLOG_BYTES', integer(65_536, 1_073_741_824), '4194304', {
      meaning: 'Bytes that may wait for a slow reader before its connection is closed.',
    }),
  }),
  ...readBy(['publish-api'], {
    apiKey1: optional('HEARTH_HTTP_API_KEY_1', text('any non-empty text'), {
      defaultNote: 'generated',
      meaning: 'First API key of the server-side HTTP API.',
      marks: ['secret', 'reload'],
    }),
    apiKey2: optional('HEARTH_HTTP_API_KEY_2', text('any non-empty text'), {
      defaultNote: 'generated',
      meaning: 'Second API key (for rotation); equally valid.',
      marks: ['secret', 'reload'],
    }),
    moreApiKeys: variable('HEARTH_HTTP_API_KEYS', list('a comma-separated list of keys'), '', {
      meaning: 'Additional API keys, comma-separated; equally valid.',
      marks: ['secret', 'reload'],
    }),
    publishFunctionNames: variable(
      'HEARTH_PUBLISH_FUNCTION_NAMES',
      listOf((name) => /^[\w-]{1,64}$/.test(name), 'a comma-separated list of names of letters, digits, - and _'),
      'Hearth-PublishFunction',
      { meaning: 'Function names the Lambda-compatible endpoint answers to; the first is advertised.' },
    ),
    awsAccessKeys: variable('HEARTH_AWS_ACCESS_KEYS', accessKeys(), '', {
      defaultNote: 'generated',
      meaning:
        'Access keys of the Lambda-compatible endpoint; none: every request is refused; `off`: there is no endpoint.',
      marks: ['secret', 'reload'],
    }),
    awsClockSkewSeconds: variable('HEARTH_AWS_CLOCK_SKEW_SECONDS', integer(0, DAY), '300', {
      meaning: 'How far the date of a signed request may be from the clock here.',
    }),
  }),
  ...MANAGEMENT_VARIABLES,
  ...LIMIT_VARIABLES,
  ...readBy(HTTP, {
    publicWsUrl: optional('HEARTH_PUBLIC_WS_URL', url('ws', 'wss'), {
      defaultNote: 'derived',
      meaning: 'Advertised WebSocket URL; derived from host, port and TLS when unset.',
    }),
    publicHttpUrl: optional('HEARTH_PUBLIC_HTTP_URL', url('http', 'https'), {
      defaultNote: 'derived',
      meaning: 'Advertised HTTP base URL; derived from host, port and TLS when unset.',
    }),
    tlsCertFile: optional('HEARTH_TLS_CERT_FILE', readableFile(), {
      meaning: 'PEM certificate chain; with the key file the listener speaks TLS itself. Read at start.',
      marks: ['no file'],
    }),
    tlsKeyFile: optional('HEARTH_TLS_KEY_FILE', readableFile(), {
      meaning: 'PEM private key of the certificate.',
      marks: ['no file'],
    }),
    host: variable('HEARTH_HOST', hostName(), '0.0.0.0', {
      meaning: 'Address the listener binds to.',
    }),
    port: variable('HEARTH_PORT', integer(0, 65_535), '8080', {
      meaning: 'Port of the listener; `0` = any free port.',
    }),
    trustedProxies: variable('HEARTH_TRUSTED_PROXIES', cidrList(), '', {
      meaning: 'Proxies whose `X-Forwarded-For` is believed; the first other address from the right is the client.',
    }),
    maxHeaderBytes: variable('HEARTH_MAX_HEADER_BYTES', integer(1_024, 1_048_576), '65536', {
      meaning: 'Request line and headers; more is answered `431`, as are more than 1,000 headers.',
    }),
    maxBodyBytes: variable('HEARTH_MAX_BODY_BYTES', integer(1_024, 67_108_864), '262144', {
      meaning:
        'HTTP bodies; more is answered `413`, as is `data` that NATS does not take (its `max_payload` less 64 KiB). `/publish/batch` has its own limit.',
    }),
    httpTimeoutMs: variable('HEARTH_HTTP_TIMEOUT_MS', integer(100, 600_000), '5000', {
      meaning:
        'Time to answer a request before `503`, and to receive its headers before `408`, which have 5 s at most; four times that for the body.',
    }),
    consoleEnabled: variable('HEARTH_CONSOLE_ENABLED', flag(), 'true', { meaning: 'Web console at `/console`.' }),
  }),
  ...readBy(SINGLE_SERVICES, {
    eventsEnabled: variable('HEARTH_EVENTS_ENABLED', flag(), 'false', {
      meaning: 'Pub/sub events to your services (the events stream) on or off.',
      marks: ['reload'],
    }),
    logLevel: variable('HEARTH_LOG_LEVEL', choice('DEBUG', 'INFO', 'WARN', 'ERROR'), 'INFO', {
      meaning: 'Least severe level that is written; `DEBUG` may log payloads.',
      marks: ['reload'],
    }),
    logFormat: variable('HEARTH_LOG_FORMAT', choice('auto', 'json', 'text'), 'auto', {
      meaning: 'Lines of the log: JSON, text for people, or text where stdout is a terminal and JSON elsewhere.',
    }),
    tracesSampleRate: variable('HEARTH_TRACES_SAMPLE_RATE', decimal(0, 100), '1', {
      meaning: 'Percent of requests whose spans are written to the log; needs `INFO` or `DEBUG`.',
      marks: ['reload'],
    }),
    adminHost: variable('HEARTH_ADMIN_HOST', hostName(), '127.0.0.1', {
      meaning: 'Address of the admin port (health, metrics). Not meant for the internet.',
    }),
    adminPort: variable('HEARTH_ADMIN_PORT', integer(0, 65_535), '9090', {
      meaning: 'Admin port; `0` = any free port.',
    }),
    drainSeconds: variable('HEARTH_DRAIN_SECONDS', integer(0, 300), '5', {
      meaning: 'Time over which connections are closed at shutdown; 5 s later the process is forced to exit.',
    }),
    natsUrls: variable('HEARTH_NATS_URL', listOf(isNatsServer, 'a comma-separated list such as nats://host:4222'), '', {
      defaultNote: 'own server',
      meaning: 'NATS servers. All-in-one: unset starts an own `nats-server`. Single services need it.',
      marks: ['secret'],
    }),
    natsCredsFile: optional('HEARTH_NATS_CREDS_FILE', readableFile(), {
      meaning: 'NATS credentials file.',
      marks: ['no file'],
    }),
    natsToken: optional('HEARTH_NATS_TOKEN', text(), { meaning: 'NATS authentication token.', marks: ['secret'] }),
    databaseUrl: optional('HEARTH_DATABASE_URL', url('postgres', 'postgresql'), {
      defaultNote: 'own server',
      meaning: 'Postgres. All-in-one: unset starts an own embedded one. Single services need it.',
      marks: ['secret'],
    }),
    databasePool: variable('HEARTH_DATABASE_POOL', integer(1, 1_000), '10', {
      meaning: 'Database connections of one process; a sequencer has one more, for its lock.',
    }),
    nodeId: optional('HEARTH_NODE_ID', pattern(/^[\w-]{1,64}$/, 'letters, digits, - and _, at most 64'), {
      defaultNote: 'random',
      meaning: 'Name of this process, for logs and `/info`.',
    }),
    compatVersion: variable('HEARTH_COMPAT_VERSION', pattern(/^\d+\.\d+\.\d+$/, 'a version such as 1.13.5'), '1.13.5', {
      meaning: 'Value of `metadata.hotsockVersion`.',
    }),
  }),
  ...EVENT_VARIABLES,
  ...readBy(['sequencer'], {
    // A record holds the list twice and must fit into a message of NATS (8 MB).
    presenceMaxBytes: variable('HEARTH_PRESENCE_MAX_BYTES', integer(1_024, 3_145_728), '102400', {
      meaning: 'Largest member list of a presence channel; at most half of what NATS takes (`max_payload`).',
    }),
    messageEventIndex: variable('HEARTH_MESSAGE_EVENT_INDEX', flag(), 'false', {
      meaning: 'Keep an index of stored messages by channel, event and time. See `docs/deploy.md`.',
    }),
    deduplicationSeconds: variable('HEARTH_DEDUPLICATION_SECONDS', integer(1, 30 * DAY), '300', {
      meaning: 'Window in which a repeated `deduplicationId` is dropped.',
    }),
    deduplicationScope: variable('HEARTH_DEDUPLICATION_SCOPE', choice('global', 'channel'), 'global', {
      meaning: 'Whether a `deduplicationId` counts for the installation or for its channel.',
    }),
    expirySeconds: variable('HEARTH_EXPIRY_SECONDS', integer(1, DAY), '10', {
      meaning: 'Interval of deleting expired rows where pg_cron does not do it, and of looking whether it does.',
    }),
  }),
  ...readBy(['history'], {
    corsOrigins: variable('HEARTH_CORS_ORIGINS', originList(), '*', {
      meaning: 'Origins that may call the client HTTP API; `*` = all.',
    }),
  }),
  ...readBy(['publish-api', 'gateway'], {
    publishAck: variable('HEARTH_PUBLISH_ACK', choice('stream', 'log'), 'stream', {
      meaning: 'A publish is answered when it is queued (`stream`) or when it is committed to Postgres (`log`).',
    }),
    awsRegion: variable(
      'HEARTH_AWS_REGION',
      pattern(/^[a-z0-9-]{1,32}$/, 'an AWS region such as us-east-1'),
      'us-east-1',
      { meaning: 'Region in advertised ARNs.' },
    ),
    awsAccountId: variable('HEARTH_AWS_ACCOUNT_ID', pattern(/^\d{12}$/, '12 digits'), '000000000000', {
      meaning: 'Account in advertised ARNs.',
    }),
    scheduleGroup: variable(
      'HEARTH_SCHEDULE_GROUP',
      pattern(/^[\w.-]{1,64}$/, 'letters, digits, . - and _'),
      'Hearth',
      { meaning: 'Group in `scheduleArn`.' },
    ),
  }),
  ...readBy(STREAM, {
    streamReplicas: variable('HEARTH_STREAM_REPLICAS', integer(1, 5), '1', {
      meaning: 'Copies of the ingest and deliver streams in a NATS cluster; 3 in production.',
    }),
    ingestMaxBytes: variable('HEARTH_INGEST_MAX_BYTES', integer(1_048_576, TEBIBYTE), '1073741824', {
      meaning:
        'Size of the ingest stream, all partitions together; when full, publishes are answered `503`. Can be raised, not lowered.',
    }),
    clockToleranceMs: variable('HEARTH_CLOCK_TOLERANCE_MS', integer(0, 3_600_000), '5000', {
      meaning:
        'How far clocks may differ: one further off is warned of, times of NATS further off are not used, nor are eager ids further ahead; the same on every service.',
    }),
    deliverMaxBytes: variable('HEARTH_DELIVER_MAX_BYTES', integer(1_048_576, TEBIBYTE), '268435456', {
      meaning: 'Size of the deliver stream (on disk), from which gateways fill gaps.',
    }),
    deliverMaxAgeSeconds: variable('HEARTH_DELIVER_MAX_AGE_SECONDS', integer(10, DAY), '3600', {
      meaning: 'How long the deliver stream keeps a message.',
    }),
    partitions: variable('HEARTH_PARTITIONS', integer(1, 1_024), '4', {
      meaning:
        'Units of order, and so the most sequencers that share the work (compose: 16); the same on every service and fixed for the life of an installation: with another number nothing starts.',
    }),
  }),
  ...readBy(['hearth'], {
    dataDir: variable('HEARTH_DATA_DIR', directory(), '.hearth', {
      meaning: 'Where the all-in-one keeps Postgres, NATS and generated keys between starts.',
    }),
    natsServer: optional('HEARTH_NATS_SERVER', readableFile(), {
      defaultNote: 'PATH, else fetched',
      meaning: 'Program of the own nats-server. Versions: `docs/deploy.md`.',
      marks: ['no file'],
    }),
    cacheDir: optional('HEARTH_CACHE_DIR', directory(), {
      defaultNote: "the user's cache folder",
      meaning: 'Where a fetched nats-server is kept.',
      marks: ['no file'],
    }),
  }),
} satisfies Record<string, Variable>;

export type VariableKey = keyof typeof VARIABLES;
export const VARIABLE_KEYS = Object.keys(VARIABLES) as VariableKey[];

/** The value of every variable under its key. */
export type VariableValues = {
  readonly [K in VariableKey]: (typeof VARIABLES)[K]['kind'] extends Kind<infer T> ? T : never;
};

/** Keys of the settings that may change while the process runs (configuration §2, last paragraph). */
export type ReloadableKey = {
  [K in VariableKey]: (typeof VARIABLES)[K] extends { marks: readonly (infer M)[] }
    ? 'reload' extends M
      ? K
      : never
    : never;
}[VariableKey];
