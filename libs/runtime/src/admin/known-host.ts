import { isIP } from 'node:net';
import { hostname } from 'node:os';

/** Names that no public DNS has, so that no web page can have come from them: of machines, containers and clusters. */
const PRIVATE_NAME = /^[^.]+$|\.(localhost|local|internal|lan|home\.arpa|test|svc)$/;

/**
 * Whether the admin port may be asked under this name. A browser takes a web page of `evil.example` to the admin port when
 * that name is made to point there (DNS rebinding), and then lets the page read everything; what it sends as `Host` is the
 * name of the page.
 *
 * @param host the header; missing for what is no browser
 * @param names further ones that are allowed, in lower case
 */
export function isKnownHost(host: string | undefined, names: readonly string[]): boolean {
  if (host === undefined || host === '') return true;
  const name = host
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
    .toLowerCase();
  if (isIP(name) !== 0 || PRIVATE_NAME.test(name)) return true;
  return name === hostname().toLowerCase() || names.includes(name);
}
