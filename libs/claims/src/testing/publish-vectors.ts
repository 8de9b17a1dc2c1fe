import { no } from './subscribe-vectors';

/**
 * Vectors of tokens-and-claims §7 about messages of clients. The pure rules beside are tested with them, and a running
 * Hearth in `test/claims`. Each sentence begins with the vector's number.
 */

export type PublishOutcome = 'allow' | 'NOT_SUBSCRIBED' | 'PUBLISH_PERMISSION_DENIED';

/** What comes of a message of that event; `undefined` where the claims let nobody subscribe. */
export type PublishCase = [channel: string, event: string, subscribed: PublishOutcome | undefined, not: PublishOutcome];

/** Members `channels` of the connect token and of the token that the subscription is made with. */
export type PublishVector = [
  sentence: string,
  connect: object,
  subscribe: object | undefined,
  cases: readonly PublishCase[],
];

/** Claims of a channel `a` that may be subscribed to. */
export function messages(entries: object): object {
  return { a: { subscribe: true, messages: entries } };
}

export const allow = 'allow';
export const outside = 'NOT_SUBSCRIBED';
export const denied = 'PUBLISH_PERMISSION_DENIED';

export const PUBLISH_VECTORS: readonly PublishVector[] = [
  [
    'P1 with publish needs a subscription',
    messages({ e: { publish: true } }),
    undefined,
    [
      ['a', 'e', allow, outside],
      ['a', 'x', denied, denied],
    ],
  ],
  ['P2 with broadcast needs none', messages({ e: { broadcast: true } }), undefined, [['a', 'e', allow, allow]]],
  [
    'P3 with broadcast false needs a subscription',
    messages({ e: { broadcast: false, publish: true } }),
    undefined,
    [['a', 'e', allow, outside]],
  ],
  [
    'P4 with publish false is denied although broadcast is granted',
    messages({ e: { broadcast: true, publish: false } }),
    undefined,
    [['a', 'e', denied, denied]],
  ],
  [
    'P5 is not granted by broadcast in the subscribe token',
    {},
    messages({ e: { broadcast: true } }),
    [['a', 'e', denied, denied]],
  ],
  [
    'P6 is denied by an exact event',
    messages({ '*': { publish: true }, admin: { publish: false } }),
    undefined,
    [
      ['a', 'x', allow, outside],
      ['a', 'admin', denied, denied],
    ],
  ],
  [
    'P7 is denied by a pattern channel and a pattern event',
    { ...messages({ e: { publish: true } }), '*': { messages: { '*': { publish: false } } } },
    undefined,
    [['a', 'e', denied, denied]],
  ],
  [
    'P8 is granted by a regex',
    messages({ '#regex:^action\\.[0-9]+$': { publish: true } }),
    undefined,
    [
      ['a', 'action.7', allow, outside],
      ['a', 'action.x', denied, denied],
    ],
  ],
  [
    'P10 on a channel that may not be subscribed needs the subscription',
    { 'chat.admin': no, 'chat.*': { subscribe: true, messages: { '*': { publish: true } } } },
    undefined,
    [['chat.admin', 'e', undefined, outside]],
  ],
  [
    'P11 on such a channel is allowed by broadcast',
    { 'chat.admin': no, 'chat.*': { subscribe: true, messages: { '*': { broadcast: true } } } },
    undefined,
    [['chat.admin', 'e', undefined, allow]],
  ],
  [
    'P14 is not granted by directives about what follows',
    messages({ e: { echo: true, emitPubSubEvent: true } }),
    undefined,
    [['a', 'e', denied, denied]],
  ],
];

/** `typing` is not stored, other events are. */
export const P12 = messages({ '*': { publish: true, store: 86_400 }, typing: { store: 0 } });

/** `e` is copied to its sender, `f` is not. */
export const P13 = messages({ e: { publish: true, echo: true }, f: { publish: true } });
