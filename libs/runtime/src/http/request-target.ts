/**
 * The target of a request line as everybody here compares it: a path, and a query as it was sent. What RFC 9112 §3.2 and RFC
 * 3986 §6 call the same is the same: the absolute form that proxies send, a slash more (an nginx location with a prefix
 * makes `//v1`), and characters that need not be percent-encoded.
 *
 * @param target as sent; what is no path (`*`) stays as it is
 */
export function normalTarget(target: string): string {
  // Nearly always there is nothing to do.
  if (target.charCodeAt(0) === SLASH && !target.includes('//') && !target.includes('%')) return target;
  const local = originForm(target);
  if (local.length < target.length && !local.startsWith('/')) return normalTarget(`/${local}`);
  if (!local.startsWith('/')) return target;
  const question = local.indexOf('?');
  const path = question < 0 ? local : local.slice(0, question);
  return normalPath(path) + (question < 0 ? '' : local.slice(question));
}

/** A target without the scheme and the host that proxies send, and otherwise as it was sent. */
export function originForm(target: string): string {
  return target.replace(ABSOLUTE, '');
}

/** The host that a target names itself, with a port if it has one; undefined as a rule. */
export function authorityOf(target: string): string | undefined {
  return ABSOLUTE.exec(target)?.[1];
}

const ABSOLUTE = /^(?:https?|wss?):\/\/(?:[^/?#@]*@)?([^/?#]*)/i;

const SLASH = 0x2f;

function normalPath(path: string): string {
  return path
    .replace(/%(?:2[de]|3\d|4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9ae])/gi, (code) => {
      const character = String.fromCharCode(parseInt(code.slice(1), 16));
      // A dot stays encoded: clients and proxies take `.` and `..` out of a path.
      return /[A-Za-z0-9_~-]/.test(character) ? character : code;
    })
    .replace(/\/{2,}/g, '/');
}
