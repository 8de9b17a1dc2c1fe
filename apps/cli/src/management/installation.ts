import type { Command } from 'commander';
import { reasonOf, RefusedError, UsageError } from '../failure';
import { readSecret } from '../input';
import { warn } from '../warning';
import { parseExactly } from './exact-numbers';
import { httpUrl, installationSettings, otherSources } from '../installation-settings';

/** Flags of every command of the management API. */
export interface InstallationOptions {
  readonly url?: string;
  readonly apiKey?: string;
  readonly json?: true;
}

/** Whatever a call is answered with. */
export type Answer = Readonly<Record<string, unknown>>;
/** Parameters and members; those that are `undefined` are left out. */
export type Parameters = Readonly<Record<string, string | undefined>>;

/** The installation has a second for each gateway, and some more for itself. */
const TIMEOUT_MS = 15_000;
const PAGE = '1000';

/** Adds the flags that say which installation is asked, and with what. */
export function withInstallation(command: Command): Command {
  return command
    .optionsGroup('Where to')
    .option('--url <url>', 'address of the installation (default: that of the settings, http://localhost:8080)')
    .option(
      '--api-key <key>',
      'API key or admin token, or @file (default: HEARTH_ADMIN_TOKEN, else HEARTH_HTTP_API_KEY_1)',
    )
    .optionsGroup('Output')
    .option('--json', 'print a JSON object');
}

/** The management API of an installation (management-api). */
export class Installation {
  private constructor(
    private readonly base: string,
    private readonly credential: string,
  ) {}

  static async of(options: InstallationOptions): Promise<Installation> {
    const settings = await installationSettings();
    const { adminToken, apiKeys } = settings.reloadable.current;
    const credential =
      options.apiKey === undefined ? (adminToken ?? apiKeys[0]) : readSecret(options.apiKey, '--api-key');
    if (credential === undefined) {
      throw new UsageError(
        `no credential: give --api-key, ${otherSources('HEARTH_ADMIN_TOKEN or HEARTH_HTTP_API_KEY_1')}`,
      );
    }
    return new Installation(httpUrl(settings, options.url), credential);
  }

  /**
   * @param path without a leading slash, encoded
   * @returns the body; `{}` without one
   * @throws RefusedError in the installation's words, or because it cannot be reached
   */
  async call(method: string, path: string, query: Parameters = {}, body?: Answer): Promise<Answer> {
    const url = new URL(`${this.base}${path}`);
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
    const { status, text, warning } = await this.fetch(url, method, body);
    warn(warning);
    const answer = parsed(text);
    if (status >= 200 && status < 300) return answer;
    const { error } = answer as { readonly error?: { readonly code?: unknown; readonly message?: unknown } };
    throw new RefusedError(
      typeof error?.message === 'string' ? `${String(error.code)}: ${error.message}` : `answered with ${status}`,
    );
  }

  /**
   * A whole list, however many pages it has.
   *
   * @param member that holds it
   * @returns the members of the last page, with all that the list has, and `complete` if every page was
   */
  async list(path: string, member: string, query: Parameters): Promise<Answer> {
    const all: unknown[] = [];
    let complete: boolean | undefined;
    for (let after = ''; ;) {
      const { next, ...page } = await this.call('GET', path, { ...query, limit: PAGE, after: after || undefined });
      all.push(...(page[member] as unknown[]));
      if (typeof page.complete === 'boolean') complete = page.complete && complete !== false;
      if (typeof next !== 'string') return { ...page, [member]: all, complete };
      after = next;
    }
  }

  private async fetch(
    url: URL,
    method: string,
    body: Answer | undefined,
  ): Promise<{ status: number; text: string; warning: string | undefined }> {
    try {
      const response = await fetch(url, {
        method,
        headers: { authorization: `Bearer ${this.credential}` },
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.timeout(TIMEOUT_MS),
        redirect: 'error',
      });
      const warning = response.headers.get('hearth-warning') ?? undefined;
      return { status: response.status, text: await response.text(), warning };
    } catch (error) {
      throw new RefusedError(`${url.origin} cannot be reached: ${reasonOf(error)}`, { cause: error });
    }
  }
}

function parsed(text: string): Answer {
  try {
    const value = text === '' ? {} : parseExactly(text);
    if (typeof value === 'object' && value !== null) return value as Answer;
  } catch {
    // What is no JSON comes from something else than Hearth.
  }
  return {};
}
