import { createLogger, NestLogger, setLogLevel, type LogLevel } from './logger';
import { redactText, redactUrl } from './redaction';

const jwt = `${Buffer.from('{"alg":"HS256"}').toString('base64url')}.${Buffer.from('{"uid":"u"}').toString('base64url')}.PLANTED-signature`;

function logging(level: LogLevel = 'DEBUG') {
  const lines: string[] = [];
  const logger = createLogger({ level, service: 'test', nodeId: 'n1' }, { write: (line) => void lines.push(line) });
  return { logger, lines, records: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

describe('the log', () => {
  it('is one JSON object a line', () => {
    const { logger, lines, records } = logging();
    logger.info({ channel: 'a\nb' }, 'with a\nline break');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^[^\n]+\n$/);
    expect(records()).toEqual([
      expect.objectContaining({
        level: 'INFO',
        service: 'test',
        nodeId: 'n1',
        channel: 'a\nb',
        message: 'with a\nline break',
      }),
    ]);
  });

  it.each([
    ['DEBUG', ['DEBUG', 'INFO', 'WARN', 'ERROR']],
    ['INFO', ['INFO', 'WARN', 'ERROR']],
    ['WARN', ['WARN', 'ERROR']],
    ['ERROR', ['ERROR']],
  ] as const)('at %s holds %j', (level, expected) => {
    const { logger, records } = logging('INFO');
    setLogLevel(logger, level);
    logger.debug('x');
    logger.info('x');
    logger.warn('x');
    logger.error('x');
    expect(records().map((record) => record.level)).toEqual(expected);
  });

  it('keeps message, stack, code and cause of an error', () => {
    const { logger, records } = logging();
    const cause = Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' });
    logger.error({ err: new Error('append failed', { cause }) }, 'A batch failed');
    const { err } = records()[0] as { err: Record<string, unknown> };
    expect(err).toMatchObject({
      type: 'Error',
      message: 'append failed',
      cause: { message: 'connection refused', code: 'ECONNREFUSED' },
    });
    expect(err.stack).toContain('logger.spec');
  });

  it('survives what cannot be serialised as it is', () => {
    const { logger, records } = logging();
    const circle: Record<string, unknown> = { big: 12n, bytes: Buffer.alloc(3), at: new Map([['token', 'PLANTED']]) };
    circle.self = circle;
    logger.info({ circle }, 'x');
    expect(records()[0]).toMatchObject({
      circle: { big: '12', bytes: '[3 bytes]', at: { token: '[redacted]' }, self: '[circular]' },
    });
  });
});

describe('secrets', () => {
  it('do not reach the log, wherever they are planted', () => {
    const { logger, lines } = logging('DEBUG');
    logger.debug(
      { req: { headers: { authorization: 'Bearer PLANTED', Authentication: 'Bearer PLANTED' } } },
      'headers',
    );
    logger.debug({ a: { b: { c: [{ connectionSecret: 'PLANTED', token: 'PLANTED' }] } } }, 'nested');
    logger.info(
      { apiKey: 'PLANTED', apiKeys: ['PLANTED'], awsAccessKeys: 'AKID:PLANTED', password: 'PLANTED' },
      'config',
    );
    logger.info({ signingKey1Encoded: 1, encoded: 'PLANTED', secret: 'PLANTED', api_key: 'PLANTED' }, 'more');
    logger.warn({ url: '/connection/publishMessage?connectionId=a%3D&connectionSecret=PLANTED' }, 'request');
    logger.warn(`GET /v1?token=${jwt} HTTP/1.1`);
    logger.error(new Error(`connect to postgres://hearth:PLANTED@db:5432/hearth failed`), 'database');
    logger.error(new Error(`GET /v1?token=${jwt}`));
    logger.error({ err: new Error('x', { cause: new Error(`Authorization: Bearer PLANTED`) }) }, 'cause');
    logger.info({ text: `nats://user:PLANTED@nats:4222 and nats://PLANTED@nats` }, 'urls');
    logger.info('connectionSecret in %s', '/x?connectionSecret=PLANTED');
    new NestLogger(logger).error(new Error('Bearer PLANTED'), 'stack with token=x', 'Context');
    expect(lines).toHaveLength(12);
    expect(lines.join('')).not.toMatch(/PLANTED|eyJ/);
  });

  it('do not take innocent text with them', () => {
    const { logger, records } = logging();
    logger.info(
      { channel: 'token.room', event: 'secret', hasToken: true, url: '/publish', n: 1 },
      'mail me@example.com: ok',
    );
    expect(records()[0]).toMatchObject({
      channel: 'token.room',
      event: 'secret',
      hasToken: true,
      url: '/publish',
      n: 1,
      message: 'mail me@example.com: ok',
    });
  });

  it.each([
    ['/v1?token=abc', '/v1?[redacted]'],
    ['wss://host/v1?token=abc#x', 'wss://host/v1?[redacted]'],
    ['postgres://u:p@host/db', 'postgres://[redacted]@host/db'],
    ['/publish', '/publish'],
  ])('in the URL %s leave %s', (url, expected) => {
    expect(redactUrl(url)).toBe(expected);
  });

  it('leave every line valid JSON', () => {
    const text = 'x?token="a\\b"&connectionSecret=\\"c ://a"b@c ://a\\\\@b Bearer \\"x\\" eyJa.b\\n';
    expect(() => JSON.parse(redactText(JSON.stringify({ text }))) as unknown).not.toThrow();
  });

  it.each([
    'eyJ'.repeat(60_000),
    'eyJ-'.repeat(40_000),
    '://a'.repeat(40_000),
    'Bearer '.repeat(30_000),
    '?token='.repeat(30_000),
  ])('are looked for in time that grows with the text (%#)', (text) => {
    expect(redactText(text)).toEqual(expect.any(String));
  });
});

describe('the log of Nest', () => {
  it('tells what it found while wiring up only at DEBUG', () => {
    const { logger, records } = logging('INFO');
    const nest = new NestLogger(logger);
    nest.log('Mapped {/publish, POST} route', 'RouterExplorer');
    nest.log('Something of interest', 'PublishRoutes');
    nest.warn('Careful', 'PublishRoutes');
    expect(records().map(({ level, message, context }) => [level, message, context])).toEqual([
      ['INFO', 'Something of interest', 'PublishRoutes'],
      ['WARN', 'Careful', 'PublishRoutes'],
    ]);
  });
});
