import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ReloadableValues, loadConfig } from '@hearth/config';
import { createLogger } from './log/logger';
import { watchSecrets, type SecretsWatch } from './reloadable';

let folder: string;
let watch: SecretsWatch;
let log: string[];
let changes: ReloadableValues[];
let written = 0;

/** Writes a file whose time of change differs from that of the write before, however fast they follow each other. */
function write(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  written += 1;
  utimesSync(path, written, written);
  return path;
}

function start(env: Record<string, string>) {
  const config = loadConfig(env, 'hearth');
  const logger = createLogger({ level: 'INFO', service: 'test' }, { write: (line) => void log.push(line) });
  watch = watchSecrets(config, logger, (values) => changes.push(values));
  return config.reloadable;
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-reload-'));
  log = [];
  changes = [];
});

afterEach(() => {
  watch.stop();
  rmSync(folder, { recursive: true, force: true });
});

it('takes over a changed file at the next look, and only then tells about it', () => {
  const reloadable = start({
    HEARTH_HTTP_API_KEY_1_FILE: write('one', 'old'),
    HEARTH_HTTP_API_KEY_2: 'fixed',
    HEARTH_EVENTS_ENABLED_FILE: write('events', 'false'),
  });
  watch.poll();
  expect(changes).toEqual([]);

  write('one', 'new');
  write('events', 'true');
  watch.poll();

  expect(reloadable.current.apiKeys).toEqual(['new', 'fixed']);
  expect(reloadable.current.eventsEnabled).toBe(true);
  expect(changes).toEqual([reloadable.current]);
});

it('keeps all old values when one new value is wrong, and names the variable without showing secrets', () => {
  const reloadable = start({
    HEARTH_HTTP_API_KEY_1_FILE: write('one', 'old'),
    HEARTH_SIGNING_KEY_1_ENCODED_FILE: write('key', Buffer.alloc(32, 1).toString('base64')),
  });
  const before = reloadable.current;

  write('one', 'new');
  write('key', 'TOPSECRET!');
  watch.reload();

  expect(reloadable.current).toBe(before);
  expect(changes).toEqual([]);
  expect(log.join('')).toContain('HEARTH_SIGNING_KEY_1_ENCODED');
  expect(log.join('')).toContain('"level":"ERROR"');
  expect(log.join('')).not.toContain('TOPSECRET');
});

it('survives a file that disappears, and takes it over when it is back', () => {
  const path = write('level', 'INFO');
  const reloadable = start({ HEARTH_LOG_LEVEL_FILE: path });

  rmSync(path);
  watch.poll();
  expect(reloadable.current.logLevel).toBe('INFO');

  write('level', 'DEBUG');
  watch.poll();
  expect(reloadable.current.logLevel).toBe('DEBUG');
});
