// Lets a plain Node process load our TypeScript: `node -r ./test/support/typescript-hook.cjs some-script.ts`.
const Module = require('node:module');
const { transformFileSync } = require('@swc/core');
const options = require('../../swc.config.cjs');

Module._extensions['.ts'] = (module, filename) => {
  module._compile(transformFileSync(filename, { ...options, filename }).code, filename);
};
