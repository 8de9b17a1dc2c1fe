/** An origin: its scheme, and its host, which may begin with `*.` for all names below. */
const ORIGIN = /^([a-z][a-z0-9+.-]*):\/\/(\*\.)?([^\s/*?#@,]+)$/;

/**
 * Whether a text is one of `*`, `null`, `https://example.com`, `https://*.example.com` or, with the scheme of an app,
 * `capacitor://localhost`, as browsers write origins: in lower case, without the scheme's own port.
 */
export function isOrigin(text: string): boolean {
  if (text === '*' || text === 'null') return true;
  const [, scheme = '', wildcard, host = ''] = ORIGIN.exec(text) ?? [];
  if (host === '') return false;
  if (scheme !== 'http' && scheme !== 'https') return true;
  const plain = `${scheme}://${host}`;
  // A wildcard above a whole top-level domain is a slip.
  return URL.canParse(plain) && new URL(plain).origin === plain && (wildcard === undefined || host.includes('.'));
}

/**
 * Which origins are allowed, for WebSocket, Socket.IO and CORS alike.
 *
 * @param origins each of which `isOrigin`
 */
export function originMatcher(origins: readonly string[]): (origin: string) => boolean {
  if (origins.includes('*')) return () => true;
  const exact = new Set(origins);
  const below = origins
    .filter((origin) => origin.includes('://*.'))
    .map((origin) => origin.split('*') as [string, string]);
  return (origin) =>
    exact.has(origin) ||
    below.some(
      ([scheme, domain]) => origin.startsWith(scheme) && origin.endsWith(domain) && isHost(origin, scheme, domain),
    );
}

/** What stands for the wildcard is made of names, and of nothing that would begin another part of a URL. */
function isHost(origin: string, scheme: string, domain: string): boolean {
  return /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(origin.slice(scheme.length, -domain.length));
}
