import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const root = join(__dirname, '../..');
const run = promisify(execFile);

/** A project that has one library of ours, as it is published, and nothing else. */
export class PackedProject {
  private constructor(
    /** Beside the project, for what programs of it need. */
    readonly folder: string,
  ) {}

  /** Builds and packs the library, and installs the package, without a network. */
  static async with(library: string, version: string): Promise<PackedProject> {
    const project = new PackedProject(await mkdtemp(join(tmpdir(), `hearth-${library}-`)));
    await run(process.execPath, [join(root, 'scripts/pack.mjs'), project.folder, library]);
    await mkdir(project.path());
    await writeFile(project.path('package.json'), '{ "name": "project", "private": true }');
    const tarball = join(project.folder, `hearth-${library}-${version}.tgz`);
    await run('npm', ['install', '--offline', '--no-audit', '--no-fund', tarball], { cwd: project.path() });
    return project;
  }

  path(...path: string[]): string {
    return join(this.folder, 'project', ...path);
  }

  installed(...path: string[]): string {
    return this.path('node_modules', ...path);
  }

  /** Runs a program in the project and gives what it wrote, parsed. */
  async run(name: string, text: string, env: Record<string, string> = {}): Promise<unknown> {
    await writeFile(this.path(name), text);
    const options = { cwd: this.path(), env: { PATH: process.env.PATH, HOME: this.folder, ...env }, timeout: 60_000 };
    const { stdout } = await run(process.execPath, [name], options);
    return JSON.parse(stdout);
  }

  /** What the compiler of a strict project has to say about a file. */
  async typeProblems(file: string, text: string, options: readonly string[]): Promise<string> {
    await writeFile(this.path(file), text);
    const strict = ['--noEmit', '--strict', '--skipLibCheck', 'false', ...options];
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const compiled = run(process.execPath, [tsc, ...strict, file], { cwd: this.path() });
    const { stdout } = await compiled.catch((error: unknown) => error as { stdout: string });
    return stdout;
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
