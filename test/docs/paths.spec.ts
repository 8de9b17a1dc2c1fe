import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';

const root = join(__dirname, '../..');
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root })
  .toString('utf8')
  .split('\n')
  .filter((path) => path !== '' && existsSync(join(root, path)));
const names = new Set(files.map((path) => basename(path)));
/** The specification is about a protocol and names no file of ours. */
const documents = files.filter(
  (path) => (path.endsWith('.md') || path === 'llms.txt') && !path.startsWith('docs/spec/'),
);

/** Whether a file is named by its path from the root, or by its name alone. */
const isThere = (path: string) => (path.includes('/') ? existsSync(join(root, path)) : names.has(path));

describe.each(documents)('%s', (document) => {
  const text = readFileSync(join(root, document), 'utf8');

  it('names source files that are there', () => {
    const named = [...text.matchAll(/`([\w./-]+\.(?:ts|mjs|cjs))`/g)].map(([, path = '']) => path);
    expect(named.filter((path) => !isThere(path))).toEqual([]);
  });

  it('leads to files that are there', () => {
    const links = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g)].map(([, path = '']) => path);
    expect(links.filter((path) => !existsSync(normalize(join(root, dirname(document), path))))).toEqual([]);
  });
});
