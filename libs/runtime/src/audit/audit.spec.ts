import { Audit, type AuditRecord } from './audit';

jest.useFakeTimers();

const REFUSED: AuditRecord = {
  action: 'refuse',
  outcome: 'refused',
  actor: 'client',
  sourceIp: '203.0.113.7',
  target: { door: 'connect' },
  reason: 'expired',
  result: null,
};

function audit(eventsEnabled = true) {
  const lines: Record<string, unknown>[] = [];
  const events: Record<string, unknown>[] = [];
  const publisher = {
    publish: ({ name, dataJson }: { name: string; dataJson: string | Buffer }) => {
      events.push({ name, ...(JSON.parse(dataJson.toString()) as object) });
      return Promise.resolve();
    },
  };
  const logger = { info: (line: object) => void lines.push(line as Record<string, unknown>) };
  const reloadable = { current: { eventsEnabled } };
  return { audit: new Audit(publisher, reloadable as never, logger as never), lines, events };
}

it('writes what happens once at once, into the log and as an event', () => {
  const { audit: log, lines, events } = audit();
  log.record(REFUSED);
  const at = expect.stringMatching(/^\d{4}-.*Z$/) as unknown;
  expect(lines).toEqual([{ type: 'app.audit', ...REFUSED, count: 1, at }]);
  expect(events).toEqual([{ name: 'audit', ...REFUSED, count: 1, at }]);
  jest.advanceTimersByTime(5_000);
  expect(lines).toHaveLength(1);
});

it('writes one a second of what happens again and again, and counts the rest', () => {
  const { audit: log, lines } = audit(false);
  for (let n = 0; n < 100; n++) {
    log.record({ ...REFUSED, reason: `${n}` });
    jest.advanceTimersByTime(30);
  }
  jest.advanceTimersByTime(1_000);
  expect(lines.length).toBeLessThanOrEqual(5);
  expect(lines.reduce((sum, { count }) => sum + (count as number), 0)).toBe(100);
  expect(lines.at(-1)?.reason).toBe('99');
  jest.advanceTimersByTime(10_000);
  log.record(REFUSED);
  expect(lines.at(-1)).toMatchObject({ count: 1, reason: 'expired' });
});

it('keeps kinds and actors apart', () => {
  const { audit: log, lines } = audit();
  log.record(REFUSED);
  log.record({ ...REFUSED, action: 'limit' });
  log.record({ ...REFUSED, actor: 'api-key:1' });
  log.record({ ...REFUSED, outcome: 'closed' });
  expect(lines.map(({ count }) => count)).toEqual([1, 1, 1, 1]);
});

it('holds no more than a bounded number of them, and loses none', () => {
  const { audit: log, lines } = audit();
  for (let n = 0; n < 5_000; n++) log.record({ ...REFUSED, actor: `aws:${n}` });
  expect(lines.length).toBeLessThanOrEqual(1_001);
  log.flush();
  expect(lines.reduce((sum, { count }) => sum + (count as number), 0)).toBe(5_000);
});
