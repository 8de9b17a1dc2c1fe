import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(__dirname, '../..');

/** [what is refused, in which file, the line, what the refusal says] */
const refused: [string, string, string, RegExp][] = [
  ['an app in another app', 'apps/history/src/main.ts', "import '../../gateway/src/main'", /no other app/],
  [
    'an app in a library',
    'libs/store/src/index.ts',
    "import '../../../apps/history/src/main'",
    /Libraries know no app/,
  ],
  ['a library that is above', 'libs/protocol/src/limits.ts', "import '@hearth/wire'", /what libs\/protocol may import/],
  [
    'a library by its path',
    'libs/stream/src/index.ts',
    "import '../../store/src/index'",
    /what libs\/stream may import/,
  ],
  ['a test', 'libs/store/src/index.ts', "import '../../../test/support/eventually'", /What is delivered/],
  ['nats in an app', 'apps/webhooks/src/main.ts', "import { connect } from 'nats'", /know nats/],
  ['nats for its types', 'libs/runtime/src/index.ts', "import type { Codec } from 'nats'", /know nats/],
  ['nats when it is needed', 'apps/cli/src/main.ts', "await import('nats')", /know nats/],
  ['nats by require', 'apps/webhooks/src/main.ts', "import nats = require('nats')", /know nats/],
  ['nats passed on', 'apps/webhooks/src/main.ts', "export type { Codec } from 'nats'", /know nats/],
  ['nats in a type', 'apps/webhooks/src/main.ts', "type C = import('nats').Codec<string>", /by `import type`/],
  ['nats by a name that is made', 'apps/webhooks/src/main.ts', 'await import(`nats`)', /names its module/],
  ['an app when it is needed', 'apps/history/src/main.ts', "await import('../../gateway/src/main')", /no other app/],
  ['a module that is looked up', 'apps/cli/src/main.ts', "import { createRequire } from 'node:module'", /not resolved/],
  ['pg in an app', 'apps/sequencer/src/main.ts', "import { Pool } from 'pg'", /know pg/],
  ['kysely in an app', 'apps/gateway/src/main.ts', "import { sql } from 'kysely'", /know kysely/],
  ['NestJS in a library', 'libs/stream/src/index.ts', "import { Module } from '@nestjs/common'", /know @nestjs/],
  ['a package in what is pure', 'libs/claims/src/index.ts', "import 'pino'", /computes and nothing else/],
  ['files in what is pure', 'libs/claims/src/index.ts', "import 'node:fs'", /'node:fs' import is restricted/],
  ['the network in what is pure', 'libs/protocol/src/limits.ts', "import 'net'", /'net' import is restricted/],
  [
    'files in what is pure, when they are needed',
    'libs/wire/src/denial.ts',
    "await import('node:fs')",
    /at its beginning/,
  ],
  ['files in what is pure, by require', 'libs/wire/src/denial.ts', "require('fs')", /at its beginning/],
  ['everything there is, in what is pure', 'libs/wire/src/denial.ts', 'globalThis.setTimeout', /'globalThis'/],
  ['a timer in what is pure', 'libs/protocol/src/limits.ts', 'setTimeout(() => undefined, 1)', /'setTimeout'/],
  ['a cycle of files', 'libs/wire/src/subjects.ts', "import './index'", /Dependency cycle/],
];

const allowed: [string, string][] = [
  ['apps/hearth/src/main.ts', "import '../../gateway/src/main'; import { Module } from '@nestjs/common'"],
  ['apps/gateway/src/main.ts', "import '@hearth/store'; import '@hearth/stream'; import 'node:fs'"],
  ['libs/stream/src/index.ts', "import { connect } from 'nats'; import '@hearth/wire'"],
  ['libs/store/src/index.ts', "import { Pool } from 'pg'; import { sql } from 'kysely'; import '@hearth/protocol'"],
  ['libs/claims/src/index.ts', "import { createHash } from 'node:crypto'; import 'jose'; import '@hearth/protocol'"],
];

/** What the project's own ESLint configuration says of each. */
function lint(files: readonly (readonly [path: string, text: string])[]): string[][] {
  const input = JSON.stringify(files.map(([path, text]) => ({ path: join(root, path), text: `${text};` })));
  const output = execFileSync(process.execPath, [join(__dirname, 'lint-texts.mjs')], { cwd: root, input });
  return JSON.parse(output.toString('utf8'));
}

let messages: string[][];
beforeAll(() => {
  messages = lint([...refused.map(([, path, text]) => [path, text] as const), ...allowed]);
});

it.each(refused.map(([what, path, , message], index) => ({ what, path, message, index })))(
  'refuses $what ($path)',
  ({ message, index }) => expect(messages[index]).toContainEqual(expect.stringMatching(message)),
);

it('says nothing where the layers allow it', () => {
  expect(messages.slice(refused.length)).toEqual(allowed.map(() => []));
});
