import { readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { projectFolder } from './compose-file';

/** What the last stage of the `Dockerfile` is made of. */
export interface Image {
  /** Folder with the files a container would have in its working directory. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  remove(): Promise<void>;
}

/**
 * Copies what the `Dockerfile` copies into its last stage to an empty folder, so that a file it forgets is missing here too.
 * `node_modules` is a link: development packages are in it that the image does not have.
 */
export async function layOutImage(): Promise<Image> {
  const dockerfile = readFileSync(join(projectFolder, 'Dockerfile'), 'utf8');
  const lastStage = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
  const folder = await mkdtemp(join(tmpdir(), 'hearth-test-image-'));
  for (const [, from = '', to = ''] of lastStage.matchAll(/^COPY --from=build \/app\/(\S+) (\S+)$/gm)) {
    const target = join(folder, to === './' ? from : to);
    await mkdir(dirname(target), { recursive: true });
    if (from === 'node_modules') await symlink(join(projectFolder, from), target);
    else await cp(join(projectFolder, from), target, { recursive: true });
  }
  const settings = [...lastStage.matchAll(/^ENV (\w+)=(\S+)$/gm)].map(([, name = '', value = '']) => [name, value]);
  return {
    folder,
    environment: Object.fromEntries(settings) as Record<string, string>,
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
