/** How TypeScript becomes JavaScript, for `dist/` and for jest. */
module.exports = {
  swcrc: false,
  jsc: {
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true },
    target: 'es2022',
    baseUrl: __dirname,
    paths: { '@hearth/*': ['libs/*/src'] },
  },
  module: { type: 'commonjs' },
};
