/**
 * Takes a JSON Web Token apart. Nothing is verified: that needs the key, which only the server has.
 *
 * @param {string} token
 * @returns {{ claims: Record<string, unknown>, claimsText: string }} the claims, and their text as the issuer wrote it
 * @throws {Error} saying what is wrong, in words for the user
 */
export function decodeToken(token) {
  const parts = token.split('.');
  if (parts.length !== 3 || parts.some((part) => !/^[\w-]+$/.test(part))) {
    throw new Error('This is not a token: three parts of letters, digits, - and _ with dots between them');
  }
  const claimsText = decodePart(parts[1], 'claims');
  decodePart(parts[0], 'header');
  const claims = JSON.parse(claimsText);
  if (claims === null || typeof claims !== 'object' || Array.isArray(claims)) {
    throw new Error('This is not a token: its claims are not an object');
  }
  return { claims, claimsText };
}

function decodePart(part, name) {
  try {
    const bytes = Uint8Array.from(atob(part.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    JSON.parse(text);
    return text;
  } catch {
    throw new Error(`This is not a token: its ${name} cannot be decoded`);
  }
}

/**
 * Why a server is sure to refuse these claims (tokens-and-claims §1, §2). Browsers do not tell a page why a handshake
 * failed, so the likely reasons are looked for here.
 *
 * @param {Record<string, unknown>} claims
 * @param {number} nowMs
 * @returns {string | undefined}
 */
export function refusalOf(claims, nowMs) {
  const scopes = typeof claims.scope === 'string' ? claims.scope.split(' ') : [];
  if (!scopes.includes('connect')) return 'The claim scope does not contain connect';
  if (typeof claims.connectionId === 'string') return 'A token with the claim connectionId cannot connect';
  if (typeof claims.exp !== 'number') return 'The claim exp is missing';
  if (claims.exp * 1000 <= nowMs) return `The token expired ${timeOf(claims.exp)}`;
  if (typeof claims.nbf === 'number' && claims.nbf * 1000 > nowMs)
    return `The token is valid from ${timeOf(claims.nbf)}`;
  return undefined;
}

/**
 * @param {unknown} seconds a NumericDate
 * @returns {string} date and time of the user's region
 */
export function timeOf(seconds) {
  const date = new Date(Number(seconds) * 1000);
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toLocaleString();
}

/**
 * @param {Record<string, unknown>} claims
 * @returns {string[]} channels the claims name, without patterns
 */
export function channelsOf(claims) {
  const { channels } = claims;
  if (channels === null || typeof channels !== 'object') return [];
  return Object.keys(channels).filter((key) => !key.includes('*') && !key.startsWith('#regex:'));
}
