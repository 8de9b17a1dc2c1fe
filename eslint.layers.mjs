import { readdirSync } from 'node:fs';
import { builtinModules } from 'node:module';

/**
 * Who may import whom: apps → libs → `protocol`. `test/lint` shows that each of these rules can fail.
 */

/** What each library may import of ours. A new library gets its line here, and imports nothing until then. */
const LIBRARIES = {
  protocol: [],
  sigv4: [],
  timing: ['protocol'],
  limits: [],
  claims: ['protocol'],
  wire: ['protocol'],
  channels: ['protocol', 'wire'],
  stream: ['protocol', 'wire', 'limits', 'timing'],
  store: ['protocol', 'wire', 'channels', 'limits', 'timing', 'config'],
  // Settings from the environment: also for programs that start no server.
  config: ['wire', 'claims', 'limits'],
  runtime: ['protocol', 'wire', 'claims', 'config', 'limits', 'timing', 'stream', 'store', 'api-documents'],
  // What an installation keeps in its folder: also for programs that start no server.
  'data-dir': [],
  embedded: ['stream', 'store', 'timing', 'data-dir'],
  'api-documents': ['protocol', 'wire'],
  // Published by itself, so it takes its sources along.
  'server-sdk': ['protocol', 'claims', 'sigv4'],
  // Likewise; types only.
  client: ['protocol'],
};

/** Packages that only these folders know; everybody else speaks to them in our own words. */
const OWNERS = {
  nats: ['libs/stream'],
  pg: ['libs/store', 'db'],
  kysely: ['libs/store', 'db'],
  '@nestjs': ['apps', 'libs/runtime'],
};

/** Libraries that compute and nothing else, with the packages that they compute with. */
const PURE = {
  protocol: ['temporal-polyfill', 'ulid'],
  claims: ['jose', 're2js'],
  wire: [],
  channels: [],
  sigv4: [],
  limits: [],
};
const PURE_BUILTINS = ['buffer', 'crypto'];
const IMPURE_GLOBALS = [
  ...['setTimeout', 'setInterval', 'setImmediate', 'fetch', 'WebSocket', 'process', 'console'],
  ...['globalThis', 'global', 'eval', 'Function'],
];

/** Ways to a module that the rules about imports do not see. */
const HIDDEN_IMPORTS = [
  { selector: 'TSImportType', message: 'Types come by `import type`.' },
  { selector: "ImportExpression[source.type!='Literal']", message: 'An import names its module.' },
  { selector: 'ImportDeclaration[source.value=/^(node:)?module$/]', message: 'Modules are imported, not resolved.' },
];
/** Who needs one: the client's parts are found beside it, in whatever form it was delivered; binaries are files of a package. */
const WITH_HIDDEN_IMPORTS = ['libs/client/src/client.ts', 'libs/embedded/src/postgres-binaries.ts'];
const PURE_IMPORTS = ['ImportExpression', "CallExpression[callee.name='require']"].map((selector) => ({
  selector,
  message: 'What computes and nothing else imports at its beginning.',
}));

const TESTS = ['**/*.spec.ts', '**/testing/**'];

const foldersIn = (folder) =>
  readdirSync(new URL(folder, import.meta.url), { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? [entry.name] : [],
  );
const apps = foldersIn('apps');
const libs = foldersIn('libs');
const here = (name) => `./${name}`;

/** Zones of `import-x/no-restricted-paths`: a file below `target` imports nothing below `from` but what is below `except`. */
const zones = [
  ...libs.flatMap((lib) => [
    {
      target: `./libs/${lib}`,
      from: './libs',
      except: [lib, ...(LIBRARIES[lib] ?? [])].map(here),
      message: `eslint.layers.mjs says what libs/${lib} may import.`,
    },
    { target: `./libs/${lib}`, from: './apps', message: 'Libraries know no app.' },
  ]),
  // The all-in-one is put together from the others.
  ...apps
    .filter((app) => app !== 'hearth')
    .map((app) => ({
      target: `./apps/${app}`,
      from: './apps',
      except: [here(app)],
      message: 'Apps know no other app.',
    })),
  ...['apps', 'libs'].map((target) => ({
    target: here(target),
    from: '.',
    except: ['./apps', './libs', './node_modules'],
    message: 'What is delivered imports nothing that is not.',
  })),
  ...[...apps.map((app) => `apps/${app}`), ...libs.map((lib) => `libs/${lib}`)].flatMap((folder) =>
    Object.entries(OWNERS)
      .filter(([, owners]) => !owners.some((owner) => `${folder}/`.startsWith(`${owner}/`)))
      .map(([name, owners]) => ({
        target: here(folder),
        from: `./node_modules/${name}`,
        message: `Only ${owners.join(' and ')} know ${name}.`,
      })),
  ),
  ...Object.entries(PURE).map(([lib, packages]) => ({
    target: `./libs/${lib}`,
    from: './node_modules',
    except: packages.map(here),
    message: `libs/${lib} computes and nothing else.`,
  })),
];

export const layers = [
  {
    files: ['apps/**/*.ts', 'libs/**/*.ts'],
    ignores: TESTS,
    rules: { 'import-x/no-restricted-paths': ['error', { basePath: import.meta.dirname, zones }] },
  },
  {
    files: ['apps/**/*.ts', 'libs/**/*.ts'],
    ignores: [...TESTS, ...WITH_HIDDEN_IMPORTS],
    rules: { 'no-restricted-syntax': ['error', ...HIDDEN_IMPORTS] },
  },
  {
    files: Object.keys(PURE).map((lib) => `libs/${lib}/**/*.ts`),
    ignores: TESTS,
    rules: {
      'no-restricted-globals': ['error', ...IMPURE_GLOBALS],
      'no-restricted-syntax': ['error', ...HIDDEN_IMPORTS, ...PURE_IMPORTS],
      'no-restricted-imports': [
        'error',
        ...builtinModules.filter((name) => !PURE_BUILTINS.includes(name)).flatMap((name) => [name, `node:${name}`]),
      ],
    },
  },
];
