import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Before spec files that start our programs: those are what was built, and a stale one is built anew. */
export default function build(): void {
  execFileSync(process.execPath, [join(__dirname, '../scripts/build-if-stale.mjs')], { stdio: 'inherit' });
}
