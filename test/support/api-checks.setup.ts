import { takeDifferences } from './api-checks';

/** Elsewhere, stand-ins of ours say what no server would. */
const REAL =
  /\/test\/(claims|events|history|management|presence|protocol|publish-api|reactions|schedules|server-sdk|storage)\//;

afterAll(() => {
  if (REAL.test(expect.getState().testPath ?? '')) expect(takeDifferences()).toEqual([]);
});
