import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AppProcess, startApp } from '../../support/process';
import { dataDirPrefix, findTestNatsServer } from '../../support/servers';
import { signToken } from '../../support/tokens';
import { metric, residentMiB } from '../figures/vital-signs';
import type { Attacked } from './trial';

/** What an attacker, who is a process of its own, has to know. */
export interface Target {
  readonly port: number;
  readonly adminPort: number;
  readonly apiKey: string;
  /** Of tokens: an attacker with a token has whatever one that a backend would give. */
  readonly secretBase64: string;
}

/** A connect token for the target. */
export function tokenFor({ secretBase64 }: Pick<Target, 'secretBase64'>, claims: Record<string, unknown>): string {
  return signToken({ scope: 'connect', ...claims }, { secret: Buffer.from(secretBase64, 'base64') });
}

/** Where it is attacked: everything in one process, as `npm start` has it, so that there is nowhere to hide. */
export class Installation implements Attacked {
  private constructor(
    readonly app: AppProcess,
    readonly target: Target,
    private readonly folder: string,
  ) {}

  /** @param env beside what it has anyway; addresses of this machine have limits like any other */
  static async start(env: Readonly<Record<string, string>>): Promise<Installation> {
    await findTestNatsServer();
    const folder = await mkdtemp(join(tmpdir(), dataDirPrefix));
    const app = await startApp('hearth', {
      HEARTH_DATA_DIR: folder,
      HEARTH_NATS_SERVER: process.env.HEARTH_TEST_NATS_SERVER ?? '',
      HEARTH_LIMIT_ADDRESS_EXEMPT: 'none',
      ...env,
    });
    const { httpApiKey1, signingKey } = JSON.parse(await readFile(join(folder, 'keys.json'), 'utf8')) as {
      httpApiKey1: string;
      signingKey: { encoded: string };
    };
    const { port, adminPort } = app;
    return new Installation(app, { port, adminPort, apiKey: httpApiKey1, secretBase64: signingKey.encoded }, folder);
  }

  async cpuMs(): Promise<number> {
    return 1_000 * (await metric(this.app, 'process_cpu_seconds_total'));
  }

  memoryMiB(): Promise<number> {
    return residentMiB(this.app);
  }

  async stop(): Promise<void> {
    await this.app.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
