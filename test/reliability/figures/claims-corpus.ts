import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Figure } from './figure';

const FOLDER = 'libs/claims/src';
const root = join(__dirname, '../../..');

interface Outcome {
  readonly fullName: string;
  readonly status: string;
}

/** R13: nobody gets in or sees more than the claims allow. Pure rules, so all of it runs in CI as well. */
export const claimsCorpus: Figure = {
  promise: 'R13',
  title: 'hostile tokens, and random claims against a second evaluator',
  smallIn: `${FOLDER}/hostile-tokens.spec.ts, ${FOLDER}/grants.properties.spec.ts`,
  measure: async () => {
    const outcomes = await runJest(`${FOLDER}/(hostile-tokens|grants\\.properties)`);
    const failed = (part: RegExp): number =>
      outcomes.filter(({ fullName, status }) => part.test(fullName) && status !== 'passed').length;
    const refused = outcomes.filter(({ fullName }) => fullName.startsWith('a hostile token is refused: '));
    if (refused.length < 500) throw new Error(`only ${refused.length} hostile tokens were tried`);
    return [
      { what: `of ${refused.length} hostile tokens let in`, measured: failed(/^a hostile token/), atMost: 0 },
      {
        what: 'of 1,000,000 answers about random claims different from a naive evaluator’s',
        measured: failed(/^the evaluator of claims/),
        atMost: 0,
      },
    ];
  },
};

/** Runs the spec files whose path fits. */
async function runJest(pattern: string): Promise<readonly Outcome[]> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-test-claims-'));
  const outputFile = join(folder, 'results.json');
  const args = ['--selectProjects', 'unit', '--testPathPatterns', pattern, '--json', `--outputFile=${outputFile}`];
  try {
    // It ends with 1 when a test fails; then the file says which.
    await new Promise((resolve) =>
      execFile(process.execPath, [join(root, 'node_modules/.bin/jest'), ...args], { cwd: root }, resolve),
    );
    const { testResults } = JSON.parse(await readFile(outputFile, 'utf8')) as {
      testResults: readonly { assertionResults: readonly Outcome[] }[];
    };
    return testResults.flatMap(({ assertionResults }) => assertionResults);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
