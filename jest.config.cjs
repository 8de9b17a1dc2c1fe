const swc = require('./swc.config.cjs');

const SOURCES = '^.+\\.(t|j|mj)s$';

const common = {
  testEnvironment: 'node',
  transform: { [SOURCES]: ['@swc/jest', swc] },
  // These ship ES modules only, which jest cannot require as they are.
  transformIgnorePatterns: ['/node_modules/(?!(jose|temporal-polyfill|temporal-utils)/)'],
};

/** Those of `test/` that need nothing but their own process. */
const UNIT = ['bench/*', 'claims/elsewhere', 'docs/*', 'embedded/keys', 'reliability/{fault-plan,oracle}', 'support/*'];
/** Those that start programs or stand-ins, and no servers. */
const PROGRAMS = [
  'cli/{help,keys,token}',
  'client/{channels,hooks,package,protocol,publishing,tabs}',
  'lint/*',
  'server-sdk/{assumed-role,failures,package}',
];

// jest knows `<rootDir>` at the beginning only, where a pattern that excludes has its `!`.
const specs = (names) => names.map((name) => `**/test/${name}.spec.ts`);

/**
 * Pure rules are tested beside the code (`libs/**.spec.ts`), everything on the wire in `test/`. Only a run with a spec file that
 * needs servers starts them.
 */
module.exports = {
  maxWorkers: 2,
  // A wait says what it waited for and when it gave up (`eventually`); this only ends what hangs without a wait.
  testTimeout: 300_000,
  testSequencer: '<rootDir>/test/longest-first.cjs',
  projects: [
    {
      ...common,
      // A spec of one rule loads what that uses, and not all that the library has besides: a fifth of the time.
      transform: { [SOURCES]: ['@swc/jest', { ...swc, module: { ...swc.module, lazy: true } }] },
      displayName: 'unit',
      roots: ['<rootDir>/libs', '<rootDir>/apps', '<rootDir>/test'],
      testMatch: ['<rootDir>/{libs,apps}/**/*.spec.ts', ...specs(UNIT)],
    },
    {
      ...common,
      displayName: 'programs',
      roots: ['<rootDir>/test'],
      testMatch: specs(PROGRAMS),
      globalSetup: '<rootDir>/test/build.ts',
    },
    {
      ...common,
      displayName: 'servers',
      roots: ['<rootDir>/test'],
      testMatch: ['**/*.spec.ts', ...specs([...UNIT, ...PROGRAMS]).map((path) => `!${path}`)],
      globalSetup: '<rootDir>/test/global-setup.ts',
      globalTeardown: '<rootDir>/test/global-teardown.ts',
      setupFilesAfterEnv: ['<rootDir>/test/support/api-checks.setup.ts'],
    },
  ],
};
