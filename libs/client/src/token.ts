import { ClosedError, TokenError, type UnauthorizedError } from './errors';
import type { Logger } from './types';

/** Gives a token, or a promise of one. */
export type TokenFn<Argument = void> = (argument: Argument) => string | Promise<string>;

/** Claims that this library looks at; the server decides, not we. */
export interface TokenClaims {
  readonly exp?: number;
  readonly uid?: string;
  readonly channels?: Readonly<Record<string, { readonly autoSubscribe?: boolean; readonly alias?: string }>>;
}

const JWT = /^[\w=-]+\.([\w=-]+)\.[\w.+/=-]*$/;
/** So long one call of a token function, of the HTTP API or of a store may take. */
const ANSWER_MS = 15_000;
const RETRY_STEP_MS = 500;

/** @throws Error, without the token in its message, unless the text has three parts and claims in the second */
export function claimsOf(token: unknown): TokenClaims {
  try {
    const [, payload = ''] = JWT.exec(token as string) ?? [];
    const bytes = Uint8Array.from(atob(payload.replace(/-/g, '+').replace(/_/g, '/')), (byte) => byte.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)) as TokenClaims;
  } catch {
    throw new Error('not a JWT');
  }
}

/**
 * Calls a token function until it gives a token that can be one (client-library §2).
 *
 * @param logger told of each failed attempt
 * @param over rejects when nobody wants it any more: a function may never settle
 * @throws TokenError when all attempts failed
 * @throws UnauthorizedError when the function does
 * @throws ClosedError when it is over
 */
export async function loadToken(
  call: () => string | Promise<string>,
  maxAttempts: number,
  logger: Pick<Logger, 'warn'>,
  over: Promise<never>,
): Promise<string> {
  let failure: unknown;
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    if (attempt > 0) {
      await Promise.race([over, new Promise((resolve) => setTimeout(resolve, RETRY_STEP_MS * attempt))]);
    }
    try {
      const token = await inTime(call(), over);
      const { exp } = claimsOf(token);
      if (exp && exp < Math.floor(Date.now() / 1_000)) throw new Error('expired');
      return token;
    } catch (cause) {
      if (isUnauthorized(cause) || cause instanceof ClosedError) throw cause;
      logger.warn(`[hearth] no token, attempt ${attempt + 1}:`, cause);
      failure = cause;
    }
  }
  throw new TokenError('Failed to load a valid token after maximum attempts', { cause: failure });
}

/** An application may have two copies of this library, one for each kind of module. */
export function isUnauthorized(error: unknown): error is UnauthorizedError {
  return (error as Error | undefined)?.name === 'UnauthorizedError';
}

/** @throws Error when it takes too long, or is over before */
export async function inTime<T>(what: T | Promise<T>, ...over: Promise<never>[]): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer')), ANSWER_MS);
  });
  try {
    return await Promise.race([what, late, ...over]);
  } finally {
    clearTimeout(timer);
  }
}
