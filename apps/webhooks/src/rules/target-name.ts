import { createHash } from 'node:crypto';

/**
 * The name under which a URL appears in logs, metrics and the database: its host, and a digest that tells two URLs of one
 * host apart. The rest of a webhook URL is often a secret.
 */
export function targetName(url: string): string {
  const { host, href } = new URL(url);
  return `${host}~${createHash('sha256').update(href).digest('hex').slice(0, 8)}`;
}
