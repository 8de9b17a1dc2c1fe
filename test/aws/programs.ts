import { execFile, execFileSync } from 'node:child_process';

/** A program of another language that is on this machine or not. */
export interface Program {
  readonly path: string;
  /** Arguments that make it end with 0 if all that is needed is installed. */
  readonly probe: readonly string[];
  readonly debianPackages: string;
}

// Debian's own: another python on the PATH may or may not have boto3.
export const PYTHON: Program = {
  path: '/usr/bin/python3',
  probe: ['-c', 'import boto3'],
  debianPackages: 'python3-boto3',
};
export const AWS_CLI: Program = { path: '/usr/bin/aws', probe: ['--version'], debianPackages: 'awscli' };
export const RUBY: Program = {
  path: '/usr/bin/ruby',
  probe: ['-e', 'require "aws-sigv4"'],
  debianPackages: 'ruby ruby-aws-sigv4',
};

/** `describe` where the program is installed. Where it is not: skipped, but a failure in CI, which has to have it. */
export function describeWith(program: Program, name: string, tests: () => void): void {
  const missing = `${program.path} ${program.probe.join(' ')} failed: apt-get install ${program.debianPackages}`;
  if (isInstalled(program)) return describe(name, tests);
  if (process.env.CI === 'true') {
    return describe(name, () =>
      it('has its program', () => {
        throw new Error(missing);
      }),
    );
  }
  process.stderr.write(`Skipped: ${name}. ${missing}\n`);
  describe.skip(name, tests);
}

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program with this environment and no other. */
export function runProgram(
  { path }: Program,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Output> {
  return new Promise((resolve) => {
    const options = { env: { PATH: '/usr/bin:/bin', HOME: '/nonexistent', LANG: 'C.UTF-8', ...env } };
    execFile(path, args, options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}

function isInstalled({ path, probe }: Program): boolean {
  try {
    execFileSync(path, probe, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
