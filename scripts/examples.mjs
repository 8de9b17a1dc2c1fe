// Starts the examples in the browser (examples/browser): makes the one file that the client library is for a page, then runs
// their backend.
import './check-node-version.mjs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

await build({
  entryPoints: [join(root, 'libs/client/src/index.ts')],
  outfile: join(root, 'dist/examples/hearth-client.mjs'),
  bundle: true,
  format: 'esm',
  target: 'es2022',
  tsconfigRaw: { compilerOptions: { target: 'es2022', useDefineForClassFields: false } },
});
await import('../examples/browser/server.mjs');
