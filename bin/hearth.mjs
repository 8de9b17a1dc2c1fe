#!/usr/bin/env node
// The `hearth` command, as `npx hearth` finds it in a checkout. Builds first if a source is newer than the program.
import '../scripts/build-if-stale.mjs';

await import('../dist/apps/cli/src/main.js');
