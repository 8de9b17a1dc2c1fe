import { createSecretKey } from 'node:crypto';
import type { SigningKey } from '../signing-keys';
import type { TokenSettings } from '../verify-token';
import { NOW } from './signed-tokens';

/**
 * Vectors of tokens-and-claims §7 about connect tokens. The pure rules beside are tested with them, and a running Hearth
 * in `test/claims`. Each sentence begins with the vector's number.
 */

/** A token with these claims, whose times are as of `NOW`, and what it is verified with instead of `SETTINGS`. */
export interface PresentedToken {
  readonly claims: object;
  readonly header?: object;
  readonly secret?: Buffer;
  readonly settings?: Partial<TokenSettings>;
}

/** `ok`, or the status of the refusal and its reason. */
export type ConnectVector = [sentence: string, expected: string, token: PresentedToken];

/** The least that a connect token must have. */
export const VALID = { exp: NOW + 60, scope: 'connect' };

export const ONE = Buffer.from('one');
export const TWO = Buffer.from('two');

export function slot(number: 1 | 2, id: string | undefined, secret: string): SigningKey {
  return {
    slot: number,
    method: 'HS256',
    ...(id === undefined ? {} : { id }),
    key: createSecretKey(Buffer.from(secret)),
  };
}

export function channels(entries: object): PresentedToken {
  return { claims: { ...VALID, channels: entries } };
}

export const CONNECT_VECTORS: readonly ConnectVector[] = [
  ['V1 with only exp and scope is accepted', 'ok', { claims: VALID }],
  ['V2 with exp = now is refused', '401 expired', { claims: { ...VALID, exp: NOW } }],
  ['V3 without exp is refused', '401 claims', { claims: { scope: 'connect' } }],
  ['V3 without scope is refused', '401 claims', { claims: { exp: NOW + 60 } }],
  ['V3 with exp null is refused', '401 claims', { claims: { ...VALID, exp: null } }],
  ['V4 with another scope is forbidden', '403 scope', { claims: { ...VALID, scope: 'subscribe' } }],
  [
    'V4 with a scope that only contains the word is forbidden',
    '403 scope',
    { claims: { ...VALID, scope: 'connected' } },
  ],
  ['V4 with a scope in other case is forbidden', '403 scope', { claims: { ...VALID, scope: 'Connect' } }],
  ['V5 with several scopes is accepted', 'ok', { claims: { ...VALID, scope: 'umd connect' } }],
  [
    'V6 with the configured audience is accepted',
    'ok',
    { claims: { ...VALID, aud: 'h' }, settings: { audience: 'h' } },
  ],
  [
    'V6 with an array that has the audience is accepted',
    'ok',
    { claims: { ...VALID, aud: ['x', 'h'] }, settings: { audience: 'h' } },
  ],
  ['V7 without aud is refused', '401 audience', { claims: VALID, settings: { audience: 'h' } }],
  ['V7 with another aud is refused', '401 audience', { claims: { ...VALID, aud: ['x'] }, settings: { audience: 'h' } }],
  [
    'V7 with an aud that contains the word is refused',
    '401 audience',
    { claims: { ...VALID, aud: 'hh' }, settings: { audience: 'h' } },
  ],
  ['V8 with any aud is accepted when none is configured', 'ok', { claims: { ...VALID, aud: 'zzz' } }],
  ['V9 with another issuer is refused', '401 issuer', { claims: { ...VALID, iss: 'j' }, settings: { issuer: 'i' } }],
  ['V9 without issuer is refused', '401 issuer', { claims: VALID, settings: { issuer: 'i' } }],
  ['V9 with the configured issuer is accepted', 'ok', { claims: { ...VALID, iss: 'i' }, settings: { issuer: 'i' } }],
  ['V12 with singleUse and no jti is refused', '401 claims', { claims: { ...VALID, singleUse: true } }],
  ['V12 with singleUse and an empty jti is refused', '401 claims', { claims: { ...VALID, singleUse: true, jti: '' } }],
  ['V12 with singleUse false needs no jti', 'ok', { claims: { ...VALID, singleUse: false } }],
  [
    'V15 whose kid is not the ID of the only slot is refused',
    '401 key_id',
    { claims: VALID, header: { kid: 'b' }, secret: ONE, settings: { keys: [slot(1, 'a', 'one')] } },
  ],
  [
    'V15 with an empty kid is refused by a slot with an ID',
    '401 key_id',
    { claims: VALID, header: { kid: '' }, secret: ONE, settings: { keys: [slot(1, 'a', 'one')] } },
  ],
  ['V16 with any kid is accepted by a slot without ID', 'ok', { claims: VALID, header: { kid: 'zzz' } }],
  [
    'V17 without kid is accepted by a slot with an ID',
    'ok',
    { claims: VALID, secret: ONE, settings: { keys: [slot(1, 'a', 'one')] } },
  ],
  [
    'V18 with the kid of the other slot is refused',
    '401 signature',
    {
      claims: VALID,
      header: { kid: 'b' },
      secret: ONE,
      settings: { keys: [slot(1, 'a', 'one'), slot(2, 'b', 'two')] },
    },
  ],
  [
    'V19 signed by slot 2 is accepted when both IDs are blank',
    'ok',
    { claims: VALID, secret: TWO, settings: { keys: [slot(1, undefined, 'one'), slot(2, undefined, 'two')] } },
  ],
  [
    'V19 signed by slot 2 is accepted without kid when both have IDs',
    'ok',
    { claims: VALID, secret: TWO, settings: { keys: [slot(1, 'a', 'one'), slot(2, 'b', 'two')] } },
  ],
  ['V20 with iat in the future is accepted', 'ok', { claims: { ...VALID, iat: NOW + 9_999 } }],
  ['V21 with connectionId is forbidden', '403 binding', { claims: { ...VALID, connectionId: 'C1' } }],
  ['V21 with an empty connectionId is forbidden', '403 binding', { claims: { ...VALID, connectionId: '' } }],
  ['V22 with a uid of 128 characters is accepted', 'ok', { claims: { ...VALID, uid: 'u'.repeat(128) } }],
  ['V22 with a uid of 128 emoji is accepted', 'ok', { claims: { ...VALID, uid: '😀'.repeat(128) } }],
  ['V22 with a uid of 129 characters is refused', '401 claims', { claims: { ...VALID, uid: 'u'.repeat(129) } }],
  ['V22 with a number as uid is refused', '401 claims', { claims: { ...VALID, uid: 1 } }],
  ['V24 with a umd of 1024 bytes is accepted', 'ok', { claims: { ...VALID, umd: 'x'.repeat(1_022) } }],
  ['V24 with a umd of 1025 bytes is refused', '401 claims', { claims: { ...VALID, umd: 'x'.repeat(1_023) } }],
  ['V24 with a umd of 1025 UTF-8 bytes is refused', '401 claims', { claims: { ...VALID, umd: 'é'.repeat(511) + 'x' } }],
  ['V25 with heartbeatTimeout 4 is refused', '401 claims', { claims: { ...VALID, heartbeatTimeout: 4 } }],
  ['V25 with heartbeatTimeout 5 is accepted', 'ok', { claims: { ...VALID, heartbeatTimeout: 5 } }],
  ['V25 with heartbeatTimeout 600 is accepted', 'ok', { claims: { ...VALID, heartbeatTimeout: 600 } }],
  ['V25 with heartbeatTimeout 601 is refused', '401 claims', { claims: { ...VALID, heartbeatTimeout: 601 } }],
  ['V25 with heartbeatTimeout 5.5 is refused', '401 claims', { claims: { ...VALID, heartbeatTimeout: 5.5 } }],
  ['V26 with an unclosed class as pattern is refused', '401 claims', channels({ '#regex:[': {} })],
  ['V27 with a look-ahead as pattern is refused', '401 claims', channels({ '#regex:(?=a)': {} })],
  ['V27 with a look-behind as pattern is refused', '401 claims', channels({ '#regex:(?<=a)b': {} })],
  ['V27 with a back-reference as pattern is refused', '401 claims', channels({ '#regex:(a)\\1': {} })],
  ['V27 with a repeat count over 1000 is refused', '401 claims', channels({ '#regex:a{1001}': {} })],
  ['V28 with an alias on a wildcard is refused', '401 claims', channels({ 'a.*': { alias: 'x' } })],
  ['V28 with autoSubscribe on a wildcard is refused', '401 claims', channels({ 'a.*': { autoSubscribe: true } })],
  ['V28 with an alias on a regex is refused', '401 claims', channels({ '#regex:^a': { alias: 'x' } })],
  ['V28 with null for both on a wildcard is accepted', 'ok', channels({ 'a.*': { alias: null, autoSubscribe: null } })],
  ['V29 with one alias for two channels is refused', '401 claims', channels({ a: { alias: 'x' }, b: { alias: 'x' } })],
  ['V29 with an alias that is another key is refused', '401 claims', channels({ a: { alias: 'b' }, b: {} })],
  ['V29 with an alias that is its own key is refused', '401 claims', channels({ a: { alias: 'a' } })],
  ['V29 with an alias with a blank is refused', '401 claims', channels({ a: { alias: 'a b' } })],
  ['V29 with an empty alias is refused', '401 claims', channels({ a: { alias: '' } })],
  [
    'V30 with unknown claims, directives and scopes is accepted',
    'ok',
    { claims: { exp: NOW + 60, scope: 'connect fly', x: 1, channels: { a: { y: 2, messages: { e: { z: [] } } } } } },
  ],
  [
    'V31 with an invalid pattern for events is refused',
    '401 claims',
    channels({ a: { messages: { '#regex:(': {} } } }),
  ],
];
