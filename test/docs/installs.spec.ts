import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { VERSION } from '@hearth/server-sdk';

const root = join(__dirname, '../..');
const pages = ['.', 'docs', 'docs/guides', 'docs/spec', 'examples', 'libs', 'apps'].flatMap((folder) => {
  const isDeep = ['examples', 'libs', 'apps'].includes(folder);
  try {
    return readdirSync(join(root, folder), { recursive: isDeep, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md') && !name.includes('node_modules'))
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
});

describe('what documents tell to install', () => {
  it.each(pages)('in %s is in no registry that does not hold it', (page) => {
    const text = readFileSync(join(root, page), 'utf8');
    const installs = [...text.matchAll(/(?:npm (?:install|i|add)|yarn add|pnpm add|bun add) +([^\n`|]+)/g)];
    for (const [line, names = ''] of installs) {
      const ours = names.split(/\s+/).filter((name) => /hearth/.test(name) && !name.endsWith('.tgz'));
      expect([line, ours]).toEqual([line, []]);
      for (const [, version] of names.matchAll(/hearth-[\w-]+?-(\d+\.\d+\.\d+)\.tgz/g)) expect(version).toBe(VERSION);
    }
  });
});
