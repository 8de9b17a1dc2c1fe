import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ReloadableSettings } from '@hearth/config';
import { createLogger, setLogLevel } from './logger';
import { traced, Tracing } from './tracing';

let folder: string;
let lines: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-tracing-'));
  lines = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const setRate = (percent: number) => writeFileSync(join(folder, 'rate'), String(percent));
const records = () => lines.map((line) => JSON.parse(line) as Record<string, unknown>);

function start(percent: number) {
  setRate(percent);
  const reloadable = new ReloadableSettings({ HEARTH_TRACES_SAMPLE_RATE_FILE: join(folder, 'rate') });
  const logger = createLogger({ level: 'INFO', service: 'test' }, { write: (line) => void lines.push(line) });
  return { reloadable, logger, tracing: new Tracing(reloadable, logger) };
}

const ID = '0f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0';

it('writes one record for each span, linked by ids that follow from that of the request', () => {
  const { tracing } = start(100);
  const before = Date.now();
  const root = tracing.begin('request', ID);
  root?.child('step').end('error');
  root?.end('ok');
  const trace = { type: 'app.span', level: 'INFO', traceId: '0f1e2d3c4b5a49788796a5b4c3d2e1f0' };
  const times = { startEpochMs: expect.any(Number), durationMs: expect.any(Number) };
  expect(records()).toEqual([
    expect.objectContaining({
      ...trace,
      ...times,
      spanName: 'step',
      status: 'error',
      spanId: expect.stringMatching(/^[0-9a-f]{16}$/),
      parentSpanId: '8796a5b4c3d2e1f0',
    }),
    expect.objectContaining({
      ...trace,
      ...times,
      spanName: 'request',
      status: 'ok',
      spanId: '8796a5b4c3d2e1f0',
      parentSpanId: null,
    }),
  ]);
  for (const { startEpochMs, durationMs } of records()) {
    expect(startEpochMs).toBeGreaterThanOrEqual(before);
    expect(durationMs).toBeGreaterThanOrEqual(0);
  }
});

it('ends a span with the work it belongs to, and leaves the outcome alone', async () => {
  const { tracing } = start(100);
  await expect(traced(tracing.begin('a', ID), Promise.resolve(7))).resolves.toBe(7);
  await expect(traced(tracing.begin('b', ID), Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(records().map(({ spanName, status }) => [spanName, status])).toEqual([
    ['a', 'ok'],
    ['b', 'error'],
  ]);
});

it('takes the same decision for a request everywhere', () => {
  const [here, there] = [start(50).tracing, start(50).tracing];
  const decisions = Array.from({ length: 200 }, () => randomUUID()).map((id) => [
    here.begin('x', id) !== undefined,
    there.begin('x', id) !== undefined,
  ]);
  for (const [one, other] of decisions) expect(one).toBe(other);
});

it.each([
  [0, [], ['00000000', 'ffffffff']],
  [1, ['00000000', '028f5cff'], ['028f5d00', 'FFFFFFFF']],
  [50, ['00000000', '7fffffff', '7FFFFFFF'], ['80000000', 'ffffffff']],
  [100, ['00000000', 'ffffffff', 'FFFFFFFF'], []],
])('at %d percent samples exactly the requests below that share', (percent, inside, outside) => {
  const { tracing } = start(percent);
  const sampled = (digits: string) => tracing.begin('x', digits + ID.slice(8)) !== undefined;
  expect([...inside, ...outside].filter(sampled)).toEqual(inside);
});

it('follows a changed rate and a changed level', () => {
  const { reloadable, logger, tracing } = start(0);
  tracing.begin('before', ID)?.end('ok');
  setRate(100);
  reloadable.reload();
  tracing.begin('after', ID)?.end('ok');
  setLogLevel(logger, 'WARN');
  tracing.begin('quiet', ID)?.end('ok');
  setLogLevel(logger, 'DEBUG');
  tracing.begin('loud', ID)?.end('ok');
  expect(records().map(({ spanName }) => spanName)).toEqual(['after', 'loud']);
});
