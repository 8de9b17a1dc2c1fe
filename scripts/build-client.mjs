// Builds the folder that `npm pack` and `npm publish` take, `dist/client` or the one that is given: each entry as an ES module and as
// CommonJS, one file for script tags, and the types. What the entries have in common is one file, so that `/react` and
// the core know one class.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const source = join(root, 'libs/client');
const target = resolve(process.argv[2] ?? join(root, 'dist/client'));
/** What no entry gives away a type of. */
const INTERNAL_FILES = [
  'channel',
  'connection-host',
  'history',
  'http',
  'listeners',
  'outbox',
  'page',
  'points',
  'presence',
  'seen',
  'storage',
  'tracks',
  'backoff',
];
const ENTRIES = ['index', 'react', 'svelte', 'tabs', 'test', 'vue'];
/** Members of what Vue looks at, that nothing else names. */
const OF_VUE = ['setup', 'props', 'slots', 'immediate'];

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });

const tsc = join(root, 'node_modules/typescript/bin/tsc');
const compile = [tsc, '-p', join(source, 'tsconfig.build.json'), '--outDir', join(target, 'types')];
const { status } = spawnSync(process.execPath, compile, { stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);

/**
 * Names of members that nobody outside can know: not in the types of the package, nor in the language, nor in a page. They are
 * made short, a tenth of the size.
 */
function internalNames() {
  const sources = readdirSync(join(source, 'src')).filter((name) => /\.ts$/.test(name) && !name.includes('.spec.'));
  const words = (text, pattern) => [...text.matchAll(pattern)].map(([, word]) => word);
  const known = new Set(OF_VUE);
  const reachable = [...sources.map((name) => name.replace(/(\.d)?\.ts$/, '')), 'react-module'];
  for (const name of reachable.filter((one) => !INTERNAL_FILES.includes(one))) {
    const path = name.endsWith('module')
      ? join(source, `src/${name}.d.ts`)
      : join(target, `types/client/src/${name}.d.ts`);
    const text = readFileSync(path, 'utf8').replace(/^\s*private .*$|\/\*[^]*?\*\//gm, '');
    for (const word of words(text, /(\w+)/g)) known.add(word);
  }
  const libraries = join(root, 'node_modules/typescript/lib');
  for (const name of readdirSync(libraries).filter((one) => /^lib\.(es|dom).*\.d\.ts$/.test(one))) {
    const members = /^\s+(?:readonly |get |set )?(\w+)\??[:(<]/gm;
    for (const word of words(readFileSync(join(libraries, name), 'utf8'), members)) known.add(word);
  }
  const used = sources.flatMap((name) =>
    words(readFileSync(join(source, 'src', name), 'utf8'), /(?:\.|private (?:readonly )?|^\s+)(\w+)/gm),
  );
  return [...new Set(used)].filter((word) => !known.has(word) && /^[a-z]\w{2,}$/.test(word));
}

const entryPoints = Object.fromEntries(ENTRIES.map((name) => [name, join(source, `src/${name}.ts`)]));
const common = {
  bundle: true,
  target: 'es2022',
  platform: 'neutral',
  minify: true,
  legalComments: 'none',
  mangleProps: new RegExp(`^(${internalNames().join('|')})$`),
  external: ['react', 'vue'],
  tsconfigRaw: { compilerOptions: { target: 'es2022', useDefineForClassFields: false } },
};
const { mangleCache } = await build({
  ...common,
  mangleCache: {},
  entryPoints,
  format: 'esm',
  splitting: true,
  outdir: join(target, 'esm'),
  outExtension: { '.js': '.mjs' },
});
/** What is loaded only when it is asked for is one file for all kinds of modules. */
const tabsAt = (path) => ({
  name: 'tabs',
  setup: ({ onResolve }) => onResolve({ filter: /^\.\/tabs$/ }, () => ({ path, external: true })),
});
// esbuild splits ES modules only: in CommonJS the other entries ask for the core by its file.
const core = {
  name: 'core',
  setup: ({ onResolve }) => onResolve({ filter: /^\.\/(index)$/ }, () => ({ path: './index.cjs', external: true })),
};
await build({
  ...common,
  mangleCache,
  entryPoints: Object.fromEntries(Object.entries(entryPoints).filter(([name]) => name !== 'tabs')),
  format: 'cjs',
  outdir: join(target, 'cjs'),
  outExtension: { '.js': '.cjs' },
  plugins: [core, tabsAt('../esm/tabs.mjs')],
});
// The global of the script has the names of the core. Put around it by hand: what esbuild puts there costs 700 bytes.
const { metafile } = await build({
  ...common,
  entryPoints: [entryPoints.index],
  write: false,
  metafile: true,
  format: 'esm',
  plugins: [tabsAt('./tabs.mjs')],
});
const { exports: names } = Object.values(metafile.outputs)[0];
await build({
  ...common,
  mangleCache,
  stdin: {
    contents: `import { ${names} } from './index'; globalThis.Hotsock = { ${names} };`,
    resolveDir: join(source, 'src'),
  },
  format: 'esm',
  banner: { js: '(()=>{' },
  footer: { js: '})();' },
  plugins: [tabsAt('./esm/tabs.mjs')],
  outfile: join(target, 'hotsock.js'),
});

// ES modules name files, and each kind of module has its own types.
for (const [folder, extension] of [
  ['esm', 'mjs'],
  ['cjs', 'cjs'],
]) {
  const from = join(target, 'types');
  for (const path of readdirSync(from, { recursive: true })) {
    if (!path.endsWith('.d.ts')) continue;
    const to = join(target, folder, 'types', path.replace(/\.d\.ts$/, `.d.${extension === 'mjs' ? 'mts' : 'cts'}`));
    mkdirSync(dirname(to), { recursive: true });
    const text = readFileSync(join(from, path), 'utf8');
    writeFileSync(to, text.replace(/((?:from |import\()'\.[^']*)'/g, `$1.${extension}'`));
  }
}
rmSync(join(target, 'types'), { recursive: true });

copyFileSync(join(source, 'package.json'), join(target, 'package.json'));
copyFileSync(join(source, 'README.md'), join(target, 'README.md'));
copyFileSync(join(root, 'LICENSE'), join(target, 'LICENSE'));
