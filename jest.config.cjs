const swc = require('./swc.config.cjs');

// jest finds our libraries itself (`moduleNameMapper`).
const compilation = { ...swc, jsc: { ...swc.jsc, baseUrl: undefined, paths: undefined } };

/** Pure rules are tested beside the code (`libs/**.spec.ts`), everything on the wire in `test/`. */
module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/libs', '<rootDir>/apps', '<rootDir>/test'],
  testMatch: ['**/*.spec.ts'],
  moduleNameMapper: { '^@hearth/(.*)$': '<rootDir>/libs/$1/src' },
  transform: {
    '^.+\\.(t|j|mj)s$': ['@swc/jest', compilation],
  },
  // These ship ES modules only, which jest cannot require as they are.
  transformIgnorePatterns: ['/node_modules/(?!(jose|temporal-polyfill|temporal-utils)/)'],
  globalSetup: '<rootDir>/test/global-setup.ts',
  globalTeardown: '<rootDir>/test/global-teardown.ts',
  maxWorkers: 2,
  testTimeout: 30_000,
};
