/** A frame of the server, as far as this library looks at it; nothing is taken for granted. */
export interface Frame {
  readonly id?: string;
  readonly event?: string;
  readonly channel?: string;
  readonly key?: string;
  readonly ref?: string;
  /** Id of what a tab of ours has published: in a copy for the others, and in the answer for that one (`tabs-hub.ts`). */
  readonly copy?: string;
  readonly data?: FrameData | null;
  readonly meta?: { readonly uid?: string | null; readonly umd?: unknown; readonly channelAlias?: string } | null;
  readonly error?: { readonly code?: string; readonly message?: string; readonly retryAfterMs?: number };
}

export interface FrameData {
  readonly connectionId?: string;
  readonly connectionSecret?: string;
  readonly connectionExpiresAt?: string;
  readonly autoSubscribed?: boolean;
  readonly members?: readonly MemberEntry[];
  /** The connect URL asked for the end of the storage snapshot: it comes. */
  readonly storage?: boolean;
  /** `after` and `copy`: of a tab that comes to what another one subscribed (`tabs-hub.ts`). */
  readonly resume?: {
    readonly complete?: boolean;
    readonly token?: string;
    readonly after?: string;
    readonly copy?: string;
  };
  readonly after?: string | null;
  readonly before?: string | null;
}

export interface MemberEntry {
  readonly uid: string;
  readonly umd: unknown;
}

export const OPEN = 1;
export const PING = '{"event":"hotsock.ping"}';
export const PONG = '{"event":"hotsock.pong"}';
export const HEARTBEAT = '{"event":"hotsock.heartbeat"}';

/** Codes of refusals that may not be repeated by and by. */
export const PASSING: ReadonlySet<string> = new Set(['RATE_LIMITED', 'SERVICE_UNAVAILABLE', 'INTERNAL_ERROR']);

/** Members of what the client says, beside those above: on the socket and over HTTP. */
export interface ClientRequest {
  readonly event?: string;
  readonly channel?: string;
  readonly key?: string;
  readonly data?: unknown;
  readonly ref?: string;
  readonly scheduleExpression?: string;
  readonly scheduleExpressionTimezone?: string;
  readonly eagerIdGeneration?: boolean;
  readonly expandReactions?: boolean;
  readonly reverse?: boolean;
  readonly before?: string;
  readonly after?: string;
}

/** `data` of a reaction. */
export interface ReactionData {
  readonly messageId: string;
  readonly reaction: string;
  readonly action: 'add' | 'remove';
}

/** `data` of a subscribe frame. */
export interface SubscribeData {
  readonly token?: string;
  readonly resume?: unknown;
  readonly storage?: boolean;
}

/** Answers over HTTP. */
export interface HttpAnswer {
  readonly messages?: readonly Frame[];
  readonly id?: string | null;
  readonly scheduleArn?: string;
  readonly error?: { readonly code?: string; readonly message?: string };
}
