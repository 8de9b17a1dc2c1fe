import { isUtf8 } from 'node:buffer';
import type { Claims, TokenUse } from './claims';
import { parseClaims, parseJsonObject, parseRegisteredClaims, type RegisteredClaims } from './parse-claims';
import { isSignedBy } from './token-signature';
import type { SigningKey } from './signing-keys';
import { TokenError } from './token-error';
import { TokenWork, type WorkWatch } from './token-work';

/** What tokens are checked against (configuration §1, §2). */
export interface TokenSettings {
  readonly keys: readonly SigningKey[];
  /** Required `aud`; absent accepts any. */
  readonly audience?: string;
  /** Required `iss`; absent accepts any. */
  readonly issuer?: string;
  /** Tolerance of `exp` and `nbf`. */
  readonly leewaySeconds: number;
  /** Whether a token without `kid` is refused by a slot that has a key ID. */
  readonly requireKid: boolean;
}

/** Longest token, the size of the largest request line we accept; nothing is decoded before it is checked. */
const MAX_TOKEN_CHARACTERS = 65_536;

const COMPACT_JWS = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]*$/;

/**
 * Verifies a token and compiles its claims (tokens-and-claims §1 steps 1 to 9). The binding (`check…Binding`) and
 * `singleUse` are the caller's next steps; both need the connection.
 *
 * @param nowMs the clock, Unix milliseconds
 * @param cpuMs measures what it costs (limits §6): ms of CPU time, or of any clock
 * @param watch whose token it is
 * @throws TokenError
 */
export async function verifyToken(
  token: string,
  use: TokenUse,
  settings: TokenSettings,
  nowMs: number,
  cpuMs: () => number = () => performance.now(),
  watch?: WorkWatch,
): Promise<Claims> {
  if (settings.keys.length === 0) throw new TokenError('no_keys', 'no signing key is configured');
  const [headerText, payloadText] = decodeToken(token);
  const header = parseHeader(headerText);
  const key = await verifyingKey(token, header, settings);
  const startMs = performance.now();
  try {
    const payload = parseJsonObject(payloadText, 'payload');
    const registered = parseRegisteredClaims(payload);
    checkTimes(registered, settings.leewaySeconds, nowMs / 1_000);
    checkParties(registered, settings);
    const claims = parseClaims(payload, payloadText, registered, key.id ?? header.kid, new TokenWork(cpuMs));
    if (!claims.scopes.has(use)) throw new TokenError('scope', `scope must include ${use}`);
    return claims;
  } finally {
    watch?.worked(performance.now() - startMs);
  }
}

/** Header and payload as JSON text. */
function decodeToken(token: string): readonly [header: string, payload: string] {
  if (token.length > MAX_TOKEN_CHARACTERS) {
    throw new TokenError('malformed', `token must be at most ${MAX_TOKEN_CHARACTERS} characters`);
  }
  const [, header, payload] = COMPACT_JWS.exec(token) ?? [];
  if (header === undefined || payload === undefined) {
    throw new TokenError('malformed', 'token must be a JSON Web Token of three Base64url segments');
  }
  return [decodeSegment(header, 'header'), decodeSegment(payload, 'payload')];
}

function decodeSegment(segment: string, name: 'header' | 'payload'): string {
  const bytes = Buffer.from(segment, 'base64url');
  if (segment.length % 4 === 1 || !isUtf8(bytes)) {
    throw new TokenError('malformed', `token ${name} must be Base64url of UTF-8 text`);
  }
  return bytes.toString('utf8');
}

function parseHeader(text: string) {
  const header = parseJsonObject(text, 'header');
  const { alg, kid, typ } = header;
  if (typeof alg !== 'string') throw new TokenError('malformed', 'token header alg must be a string');
  if (kid != null && typeof kid !== 'string') {
    throw new TokenError('malformed', 'token header kid must be a string');
  }
  if (typ != null && (typeof typ !== 'string' || typ.toUpperCase() !== 'JWT')) {
    throw new TokenError('malformed', 'token header typ must be JWT');
  }
  // It lists extensions that must be understood (RFC 7515 §4.1.11), and we understand none.
  if (Object.hasOwn(header, 'crit')) throw new TokenError('malformed', 'token header crit is not supported');
  // Some libraries write what is not there as null, and the name of RFC 9864 means the one key that EdDSA has here.
  return { alg: alg === 'Ed25519' ? 'EdDSA' : alg, kid: kid ?? undefined };
}

/** The key that signed the token. */
async function verifyingKey(
  token: string,
  { alg, kid }: ReturnType<typeof parseHeader>,
  settings: TokenSettings,
): Promise<SigningKey> {
  const candidates = settings.keys.filter(
    (key) => key.id === undefined || (kid === undefined ? !settings.requireKid : kid === key.id),
  );
  if (candidates.length === 0) throw new TokenError('key_id', 'token header kid matches no signing key');
  const keys = candidates.filter((key) => key.method === alg);
  if (keys.length === 0) {
    throw new TokenError('algorithm', 'token header alg is not the method of a signing key it may use');
  }
  for (const key of keys) if (await isSignedBy(key, token)) return key;
  throw new TokenError('signature', 'token signature is not valid');
}

/** @param now Unix seconds */
function checkTimes({ exp, nbf }: RegisteredClaims, leewaySeconds: number, now: number): void {
  if (now >= exp + leewaySeconds) throw new TokenError('expired', 'token has expired');
  if (nbf !== undefined && now < nbf - leewaySeconds) throw new TokenError('not_yet_valid', 'token is not valid yet');
}

function checkParties({ audiences, issuer }: RegisteredClaims, settings: TokenSettings): void {
  if (settings.audience !== undefined && !audiences.includes(settings.audience)) {
    throw new TokenError('audience', 'aud must contain the configured audience');
  }
  if (settings.issuer !== undefined && issuer !== settings.issuer) {
    throw new TokenError('issuer', 'iss must be the configured issuer');
  }
}
