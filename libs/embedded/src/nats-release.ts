import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import type { NatsServerSource } from './find-nats-server';

/** A file of an official release and what it must hash to. */
export interface NatsRelease {
  readonly url: string;
  readonly sha256: string;
}

const natsReleaseVersion = '2.14.5';

// From the release's own SHA256SUMS. A machine that is not listed here gets its nats-server another way.
const checksums: Readonly<Record<string, string>> = {
  'linux-amd64': '5e3b603d47c447bda1f77f9ac16dbf91c90aac4ff3681f8fbbc7201e4ed99355',
  'linux-arm64': '673a98d3faa79dde3f9ebf16d6dfac36a5f694e7ad2015e4954dd7939c85cd4c',
  'darwin-amd64': 'f95c98d6b6ed2b63c5681b46b092c9585c99767d547cf495730c329234625e96',
  'darwin-arm64': 'ddd907854d9a2de834af133fa396915fe6442fe6d8909ae31390d1ea7a0fea50',
};

// A machine without a way out must not hold up the start: either the server answers soon, or the next source is tried.
const answerWithinMs = 5_000;
const doneWithinMs = 180_000;
// The archives have 6 to 7 MB.
const maxBytes = 32 * 1024 * 1024;

/** The official release from GitHub, checked against its pinned checksum before anything in it is looked at. */
export function officialRelease(release = releaseForThisMachine()): NatsServerSource {
  return {
    name: `official release v${natsReleaseVersion}`,
    async fetchInto(folder, { log, signal }) {
      if (release === undefined) throw new Error(`there is none known for ${process.platform}-${process.arch}`);
      log(`fetching nats-server once: ${release.url}`);
      const archive = join(folder, 'nats-server.tar.gz');
      await download(release, archive, signal);
      await promisify(execFile)('tar', ['-xzf', archive, '-C', folder, '--strip-components=1'], { signal });
      return join(folder, 'nats-server');
    },
  };
}

function releaseForThisMachine(): NatsRelease | undefined {
  const processor = process.arch === 'x64' ? 'amd64' : process.arch;
  const sha256 = checksums[`${process.platform}-${processor}`];
  if (sha256 === undefined) return undefined;
  const name = `nats-server-v${natsReleaseVersion}-${process.platform}-${processor}.tar.gz`;
  return { url: `https://github.com/nats-io/nats-server/releases/download/v${natsReleaseVersion}/${name}`, sha256 };
}

async function download({ url, sha256 }: NatsRelease, path: string, signal?: AbortSignal): Promise<void> {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(new Error('no answer in time')), answerWithinMs);
  const signals = [silence.signal, AbortSignal.timeout(doneWithinMs), ...(signal === undefined ? [] : [signal])];
  const file = await open(path, 'wx');
  try {
    const response = await fetch(url, { signal: AbortSignal.any(signals) }).catch(throwItsCause);
    clearTimeout(timer);
    if (!response.ok || response.body === null) throw new Error(`the answer was ${response.status}`);
    const hash = createHash('sha256');
    let size = 0;
    for await (const chunk of response.body) {
      const bytes = chunk as Uint8Array;
      size += bytes.length;
      if (size > maxBytes) throw new Error(`${basename(url)} is larger than ${maxBytes} bytes`);
      hash.update(bytes);
      await file.write(bytes);
    }
    const found = hash.digest('hex');
    if (found !== sha256) {
      throw new Error(`${basename(url)} was refused: its SHA-256 is ${found}, and ${sha256} was expected`);
    }
  } finally {
    clearTimeout(timer);
    await file.close();
  }
}

/** What `fetch` throws says only "fetch failed"; why is in its cause. */
function throwItsCause(error: unknown): never {
  throw error instanceof TypeError && error.cause instanceof Error ? error.cause : error;
}
