import { ProtocolError } from '@hearth/protocol';
import { ApiKeys, bearerToken } from '@hearth/runtime';
import type { IncomingHttpHeaders } from 'node:http';

/** @throws ProtocolError `UNAUTHORIZED` unless the caller has a valid key (publish-api §2) */
export function requireApiKey(headers: IncomingHttpHeaders, keys: ApiKeys): void {
  const key = bearerToken(headers);
  if (key !== undefined && keys.accepts(key)) return;
  throw new ProtocolError(
    'UNAUTHORIZED',
    key === undefined ? 'the Authorization header must be "Bearer <API key>"' : 'the API key is not valid',
  );
}
