// Makes what `npm install` takes of every library that is published: node scripts/pack.mjs [FOLDER [NAME …]]. FOLDER is `dist/packages`
// when not given, NAMEs are folders of `libs`. Prints the files.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const [folder = join(root, 'dist/packages'), ...wanted] = process.argv.slice(2);
const target = resolve(folder);

const isPublished = (name) => {
  const manifest = join(root, 'libs', name, 'package.json');
  return existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).private !== true;
};
const published = readdirSync(join(root, 'libs')).filter(isPublished);
const unknown = wanted.filter((name) => !published.includes(name));
if (unknown.length > 0) {
  console.error(`${unknown.join(', ')}: no library that is published; there are ${published.join(', ')}`);
  process.exit(1);
}

mkdirSync(target, { recursive: true });
for (const name of wanted.length > 0 ? wanted : published) {
  const built = join(target, name);
  execFileSync(process.execPath, [join(root, 'scripts', `build-${name}.mjs`), built], { stdio: 'inherit' });
  const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', target], {
    cwd: built,
    encoding: 'utf8',
  });
  console.log(join(relative(process.cwd(), target) || '.', packed.trim()));
}
