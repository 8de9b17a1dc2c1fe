import { ALGORITHM, CredentialScope } from './canonical-request';
import { SignatureError } from './signature-error';

/** What `Authorization: AWS4-HMAC-SHA256 …` says. */
export interface Authorization {
  readonly accessKeyId: string;
  readonly scope: CredentialScope;
  /** Lower-case names, in the order in which they were signed. */
  readonly signedHeaders: readonly string[];
  /** As sent: nothing is known about it yet but that it is not empty. */
  readonly signature: string;
}

const PARTS = ['Credential', 'SignedHeaders', 'Signature'] as const;
type Part = (typeof PARTS)[number];

/**
 * Reads the value of an `Authorization` header (publish-api §10.2).
 *
 * @throws SignatureError `IncompleteSignatureException` when it is not a complete one of version 4
 */
export function parseAuthorization(value: string): Authorization {
  const [scheme = '', rest] = splitOnce(value.trim(), ' ');
  if (scheme !== ALGORITHM) throw incomplete(`Authorization must begin with ${ALGORITHM}`);
  const parts = partsOf(rest);
  const [accessKeyId = '', date = '', region = '', service = '', terminator, ...more] = parts.Credential.split('/');
  if (terminator !== 'aws4_request' || more.length > 0 || [accessKeyId, date, region, service].includes('')) {
    throw incomplete('Credential must be <access key id>/<date>/<region>/<service>/aws4_request');
  }
  return {
    accessKeyId,
    scope: { date, region, service },
    signedHeaders: headerNames(parts.SignedHeaders),
    signature: parts.Signature,
  };
}

/** `Name=value`, separated by commas, each of the three exactly once, in any order. */
function partsOf(text: string): Record<Part, string> {
  const parts: Partial<Record<Part, string>> = {};
  for (const member of text.split(',')) {
    const [name = '', value] = splitOnce(member.trim(), '=');
    const part = PARTS.find((known) => known === name);
    if (part === undefined) throw incomplete(`Authorization must consist of ${PARTS.join(', ')}`);
    if (parts[part] !== undefined) throw incomplete(`Authorization has more than one ${part}`);
    if (!/^[\x21-\x7e]+$/.test(value)) throw incomplete(`${part} is empty or has characters that cannot be in it`);
    parts[part] = value;
  }
  const missing = PARTS.find((part) => parts[part] === undefined);
  if (missing !== undefined) throw incomplete(`Authorization has no ${missing}`);
  return parts as Record<Part, string>;
}

function headerNames(text: string): readonly string[] {
  const names = text.split(';');
  const isName = (name: string): boolean => /^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name);
  if (!names.every(isName)) throw incomplete('SignedHeaders must be lower-case header names separated by ;');
  if (new Set(names).size < names.length) throw incomplete('SignedHeaders names a header twice');
  return names;
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function incomplete(message: string): SignatureError {
  return new SignatureError('IncompleteSignatureException', message);
}
