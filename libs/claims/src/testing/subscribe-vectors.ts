/**
 * Vectors of tokens-and-claims §7 about subscriptions. The pure rules beside are tested with them, and a running Hearth
 * in `test/claims`. Each sentence begins with the vector's number.
 */

/** Members `channels` of the connect token and of the subscribe token, and the channels that are granted or denied. */
export type SubscribeVector = [
  sentence: string,
  connect: object,
  subscribe: object | undefined,
  granted: Readonly<Record<string, boolean>>,
];

/** Claims of a subscribe token, and whether a connection `C1` of the user `u1` may use it. */
export type BindingVector = [
  sentence: string,
  claims: { readonly connectionId?: string; readonly uid?: string; readonly umd?: unknown },
  passes: boolean,
];

/** Both members `channels`, the name that a client sends, the channel that it means and the alias of the subscription. */
export type AliasVector = [
  sentence: string,
  connect: object,
  subscribe: object | undefined,
  sent: string,
  channel: string,
  alias: string | undefined,
];

export const yes = { subscribe: true };
export const no = { subscribe: false };

export const SUBSCRIBE_VECTORS: readonly SubscribeVector[] = [
  ['S1 is granted by an exact key', { a: yes }, undefined, { a: true, b: false, A: false }],
  [
    'S2 is granted by a wildcard at the end',
    { 'account.123.*': yes },
    undefined,
    { 'account.123.x': true, 'account.123.': true, 'account.1234.x': false },
  ],
  ['S3 is granted by an asterisk alone', { '*': yes }, undefined, { a: true, 'presence.x': true }],
  ['S4 is granted by a wildcard in the middle', { 'a*z': yes }, undefined, { az: true, 'a.b.z': true, 'a.zz.': false }],
  [
    'S5 is denied by an exact false',
    { 'chat.admin': no, 'chat.*': yes },
    undefined,
    { 'chat.admin': false, 'chat.1': true },
  ],
  [
    'S5 is denied by an exact false written last',
    { 'chat.*': yes, 'chat.admin': no },
    undefined,
    { 'chat.admin': false, 'chat.1': true },
  ],
  [
    'S6 is denied by a pattern although the exact key grants',
    { 'chat.admin': yes, 'chat.*': no },
    undefined,
    { 'chat.admin': false },
  ],
  [
    'S7 is denied by one pattern of two',
    { 'chat.*': yes, '*.admin': no },
    undefined,
    { 'chat.admin': false, 'chat.1': true },
  ],
  [
    'S8 is granted by a regex',
    { '#regex:^org\\.[0-9]+$': yes },
    undefined,
    { 'org.12': true, 'org.a': false, 'xorg.12': false },
  ],
  ['S9 is granted by a regex without anchors', { '#regex:org': yes }, undefined, { 'my.org.x': true }],
  ['S10 is granted by a regex that ignores case', { '#regex:(?i)^chat$': yes }, undefined, { CHAT: true }],
  ['S11 is denied by a regex', { '#regex:^chat\\.': no, 'chat.1': yes }, undefined, { 'chat.1': false }],
  ['S12 is not granted by messages', { a: { messages: { e: { publish: true } } } }, undefined, { a: false }],
  ['S17 is granted by a subscribe token', {}, { b: yes }, { b: true, a: false }],
  ['S22 is granted by the connect token although another token was supplied', { a: yes }, { b: yes }, { a: true }],
  ['S23 is granted by neither token', {}, { b: yes }, { a: false }],
  ['S24 is denied by the connect token although the subscribe token grants', { b: no }, { b: yes }, { b: false }],
  ['S30 is not granted by autoSubscribe in a subscribe token', {}, { a: { autoSubscribe: true } }, { a: false }],
];

/** Of a subscription that the connection makes by itself. */
export const AUTO_SUBSCRIBE_VECTORS: readonly SubscribeVector[] = [
  ['S13 is granted by autoSubscribe', { a: { autoSubscribe: true } }, undefined, { a: true }],
  [
    'S14 is denied by false beside autoSubscribe',
    { a: { autoSubscribe: true, subscribe: false } },
    undefined,
    { a: false },
  ],
  [
    'S14 is denied by a pattern although autoSubscribe is set',
    { a: { autoSubscribe: true }, '*': no },
    undefined,
    { a: false },
  ],
];

export const BINDING_VECTORS: readonly BindingVector[] = [
  ['S17 passes with the uid of the connection', { uid: 'u1' }, true],
  ['S18 fails with another uid', { uid: 'u2' }, false],
  ['S18 fails without uid and connectionId', {}, false],
  ['S18 fails with an empty uid', { uid: '' }, false],
  ['S19 passes with the id of the connection', { connectionId: 'C1' }, true],
  ['S19 fails with the id of another connection', { connectionId: 'C2' }, false],
  ['S19 fails with the id of another connection and the right uid', { connectionId: 'C2', uid: 'u1' }, false],
  ['S20 passes with the id of the connection and another uid', { connectionId: 'C1', uid: 'u9', umd: { n: 1 } }, true],
];

const user = { 'user.1': { alias: 'user', subscribe: true } };

export const ALIAS_VECTORS: readonly AliasVector[] = [
  ['S27 is resolved by an alias of the connect token', user, undefined, 'user', 'user.1', 'user'],
  ['S28 is resolved by an alias of the subscribe token', user, { 'user.1': { alias: 'me' } }, 'me', 'user.1', 'me'],
  ['S28 is still resolved by the connect token beside it', user, { 'user.1': { alias: 'me' } }, 'user', 'user.1', 'me'],
  [
    'S29 is real when the connect token has it as key',
    { user: yes },
    { 'user.1': { alias: 'user' } },
    'user',
    'user',
    undefined,
  ],
];
