import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { chromium, type Page } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** The installed browser, or `undefined` where there is none. */
function findChromium(): string | undefined {
  const folders = ['/usr/bin', ...(process.env.PATH ?? '').split(delimiter)];
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
}

/** `describe` where chromium is. Where it is not: skipped, but a failure in CI, because nobody would notice otherwise. */
export function describeInBrowser(name: string, tests: (executable: string) => void): void {
  const executable = findChromium();
  if (executable !== undefined) return describe(name, () => tests(executable));
  if (process.env.CI !== undefined) {
    return describe(name, () =>
      it('has a browser', () => {
        throw new Error('no chromium here: install it (apt-get install chromium)');
      }),
    );
  }
  process.stderr.write(`Skipped: ${name}. chromium is not installed (apt-get install chromium).\n`);
  describe.skip(name, () => tests(''));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A browser of one test's own, with an empty profile. */
export interface Browser {
  /** Opens a page; what goes wrong in it is collected in `problems`. */
  open(url: string): Promise<Page>;
  readonly problems: string[];
  close(): Promise<void>;
}

export async function startChromium(executablePath: string): Promise<Browser> {
  const profile = await mkdtemp(join(tmpdir(), 'hearth-test-browser-'));
  const problems: string[] = [];
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    args: [
      '--headless',
      // The tests may run as root in a container, where the sandbox cannot start.
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--disable-quic',
    ],
  });
  return {
    problems,
    open: async (url) => {
      const page = await context.newPage();
      page.on('pageerror', (error) => problems.push(error.message));
      page.on('console', (message) => {
        if (message.type() === 'error') problems.push(message.text());
      });
      await page.goto(url);
      return page;
    },
    close: async () => {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}
