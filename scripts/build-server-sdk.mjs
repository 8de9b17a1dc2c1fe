// Builds the folder that `npm pack` and `npm publish` take, `dist/server-sdk` or the one that is given: the library as CommonJS, and an ES module
// that passes its names on. Both are one program, so a process that mixes them has one default configuration.
import { spawnSync } from 'node:child_process';
import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const source = join(root, 'libs/server-sdk');
const target = resolve(process.argv[2] ?? join(root, 'dist/server-sdk'));

rmSync(target, { recursive: true, force: true });
const tsc = join(root, 'node_modules/typescript/bin/tsc');
const compile = [tsc, '-p', join(source, 'tsconfig.build.json'), '--outDir', join(target, 'lib')];
const { status } = spawnSync(process.execPath, compile, { stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);

copyFileSync(join(source, 'package.json'), join(target, 'package.json'));
copyFileSync(join(source, 'README.md'), join(target, 'README.md'));
copyFileSync(join(root, 'LICENSE'), join(target, 'LICENSE'));

const require = createRequire(import.meta.url);
const { main } = require(join(target, 'package.json'));
const names = Object.keys(require(join(target, main)));
writeFileSync(
  join(target, 'index.mjs'),
  `import library from '${main}';\n\nexport const { ${names.sort().join(', ')} } = library;\n`,
);
writeFileSync(join(target, 'index.d.mts'), `export * from '${main}';\n`);
