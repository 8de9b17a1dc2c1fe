import {
  checkConnectBinding,
  checkConnectionBinding,
  type Claims,
  TokenError,
  type TokenSettings,
  type TokenUse,
  verifyToken,
} from '@hearth/claims';
import { createSecretKey } from 'node:crypto';
import { duration, instant } from './duration';

export const TOKEN_USES: readonly TokenUse[] = ['connect', 'subscribe', 'umd'];

/** What a token says, whether or not it is true. */
export interface TokenContent {
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** What the installation makes of a token. */
export type Verdict =
  | { readonly valid: true; readonly use: TokenUse; readonly claims: Claims; readonly content: TokenContent }
  | { readonly valid: false; readonly error: TokenError; readonly detail?: string };

/**
 * Checks a token as a gateway does, but for what only a gateway knows: which connection presents it, and whether a
 * single-use token has been used.
 *
 * @param use what it is presented for; without it, the first use that the token can be put to
 * @param nowMs Unix milliseconds
 */
export async function checkToken(
  token: string,
  use: TokenUse | undefined,
  settings: TokenSettings,
  nowMs: number,
): Promise<Verdict> {
  const content = contentOf(token);
  let refusal: TokenError | undefined;
  for (const candidate of use === undefined ? TOKEN_USES : [use]) {
    try {
      const claims = await verifyToken(token, candidate, settings, nowMs);
      checkBinding(claims, candidate);
      return { valid: true, use: candidate, claims, content };
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      // "binding" says more than that other uses are not in its scope.
      if (refusal === undefined || error.reason === 'binding') refusal = error;
      // Everything but scope and binding is the same for every use.
      if (error.status !== 403) break;
    }
  }
  if (refusal === undefined) throw new Error('a token is checked for at least one use');
  if (refusal.reason === 'scope' && use === undefined) {
    refusal = new TokenError('scope', 'scope must include connect, subscribe or umd');
  }
  return { valid: false, error: refusal, detail: await detailOf(refusal, token, content, settings, nowMs) };
}

/** Whether there can be a connection that may present it (tokens-and-claims §2). */
function checkBinding(claims: Claims, use: TokenUse): void {
  if (use === 'connect') checkConnectBinding(claims);
  else checkConnectionBinding(claims, { connectionId: claims.connectionId ?? '', uid: claims.uid });
}

/** Header and payload, as far as they can be read; nothing in them is to be trusted. */
export function contentOf(token: string): TokenContent {
  const [header, payload] = token.split('.').map((segment) => parseSegment(segment));
  return { header: header ?? {}, payload: payload ?? {} };
}

function parseSegment(segment: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(Buffer.from(segment, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** What the token and the settings have where they do not fit. Shows names and times, never key material. */
async function detailOf(
  { reason }: TokenError,
  token: string,
  { header, payload }: TokenContent,
  settings: TokenSettings,
  nowMs: number,
): Promise<string | undefined> {
  const now = nowMs / 1_000;
  const keys = settings.keys.map(
    ({ slot, method, id }) => `${slot} (${method}${id === undefined ? '' : `, id ${id}`})`,
  );
  const known = `${keys.length === 1 ? 'the signing key is' : 'the signing keys are'} ${keys.join(' and ')}`;
  switch (reason) {
    case 'key_id':
      return `kid is ${shown(header.kid)}; ${known}`;
    case 'algorithm':
      return `alg is ${shown(header.alg)}; ${known}`;
    case 'signature':
      return (await isSignedWithEncodedSecret(token, settings, nowMs))
        ? 'it was signed with the Base64 text of the key; sign with the bytes that the text stands for'
        : `it was signed with another key, or changed afterwards; ${known}`;
    case 'expired':
      return typeof payload.exp === 'number'
        ? `it expired ${duration(now - payload.exp)} ago, at ${instant(payload.exp)}`
        : undefined;
    case 'not_yet_valid':
      return typeof payload.nbf === 'number'
        ? `it will be valid in ${duration(payload.nbf - now)}, from ${instant(payload.nbf)}`
        : undefined;
    case 'audience':
      return `aud is ${shown(payload.aud)}; the installation requires ${shown(settings.audience)}`;
    case 'issuer':
      return `iss is ${shown(payload.iss)}; the installation requires ${shown(settings.issuer)}`;
    case 'scope':
      return `scope is ${shown(payload.scope)}`;
    case 'malformed':
    case 'no_keys':
    case 'claims':
    case 'binding':
    case 'revoked':
      return undefined;
  }
}

/** The most frequent mistake with shared secrets: the backend takes the Base64 text for the secret. */
async function isSignedWithEncodedSecret(token: string, settings: TokenSettings, nowMs: number): Promise<boolean> {
  const keys = settings.keys
    .filter(({ method }) => method.startsWith('HS'))
    .map((key) => ({ ...key, key: createSecretKey(key.key.export().toString('base64'), 'utf8') }));
  try {
    await verifyToken(token, 'connect', { ...settings, keys }, nowMs);
    return true;
  } catch (error) {
    return error instanceof TokenError && !['no_keys', 'key_id', 'algorithm', 'signature'].includes(error.reason);
  }
}

/** A value of the token in a message: cut, because tokens can be large. */
function shown(value: unknown): string {
  return value === undefined ? 'missing' : JSON.stringify(value).slice(0, 100);
}
