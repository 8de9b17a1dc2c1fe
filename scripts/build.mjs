// Compiles apps, libs, db and bench to `dist/`, file by file: less than a second for all of them, and some more when packages have
// changed. Types are not looked at here but by `npm run types`.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundlePackages, withBundledPackages } from './bundle-packages.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const FOLDERS = ['apps', 'libs', 'db', 'bench'];

const isProduct = (path) => path.endsWith('.ts') && !/\.(spec|d)\.ts$|(^|\/)testing\//.test(path);

/** Paths of all files below a folder of the project, relative to the project. */
function filesBelow(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

/**
 * Makes `dist/` anew. What is no JavaScript of ours (the packages that are built there) stays.
 *
 * @throws Error when a file cannot be compiled; `dist/` is as it was then
 */
export async function build() {
  const { transformFile } = await import('@swc/core');
  const { default: options } = await import('../swc.config.cjs');
  const compile = async (path) => {
    const source = join(root, path);
    return { path, ...(await transformFile(source, { ...options, sourceMaps: true, sourceFileName: source })) };
  };
  const [compiled] = await Promise.all([
    Promise.all(FOLDERS.flatMap(filesBelow).filter(isProduct).map(compile)),
    bundlePackages(),
  ]);
  for (const folder of FOLDERS) rmSync(join(root, 'dist', folder), { recursive: true, force: true });
  for (const { path, code, map } of compiled) {
    const target = join(root, 'dist', path.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(`${target}.map`, map);
    writeFileSync(target, `${withBundledPackages(code, target)}\n//# sourceMappingURL=${basename(target)}.map\n`);
  }
  writeFileSync(join(root, 'dist', '.built'), new Date().toISOString());
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await build();
