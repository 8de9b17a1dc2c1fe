import {
  bodyText,
  checkedChannel,
  isUlid,
  type JsonObject,
  memberNames,
  parseJsonObject,
  ProtocolError,
  unknownFieldError,
} from '@hearth/protocol';
import { isCidr } from '@hearth/config';
import type { ConnectionFilter, PageQuery } from '@hearth/stream';
import type { RevocationTarget } from '@hearth/wire';

/** Queries of the management API (management-api §1, §2): what they mean, or which parameter is wrong. */

type Query = Readonly<Record<string, unknown>>;

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1_000;

/** @throws ProtocolError naming the first offending parameter */
export function connectionsQuery(query: Query): PageQuery & { readonly filter: ConnectionFilter } {
  const text = reader(query, ['uid', 'channel', 'address', 'jti']);
  const address = text('address');
  if (address !== undefined && !isCidr(address)) {
    throw new ProtocolError('INVALID_TYPE', 'address must be an IP address or a CIDR range such as 10.0.0.0/8');
  }
  const filter = { uid: text('uid'), channel: channel(text('channel')), address, jti: text('jti') };
  return { filter, ...page(query) };
}

/** @throws ProtocolError naming the first offending parameter */
export function channelsQuery(query: Query): PageQuery & { readonly prefix: string } {
  const text = reader(query, ['prefix']);
  return { prefix: text('prefix') ?? '', ...page(query) };
}

/** @throws ProtocolError naming the first offending parameter */
export function schedulesQuery(query: Query): PageQuery & { readonly channel?: string } {
  const text = reader(query, ['channel']);
  return { channel: channel(text('channel')), ...page(query) };
}

export interface MessagesQuery {
  readonly reverse: boolean;
  /** ULIDs, upper case: of the message before the page, or behind it with `reverse`. */
  readonly after?: string;
  readonly before?: string;
  readonly limit: number;
}

/** @throws ProtocolError naming the first offending parameter */
export function messagesQuery(query: Query): MessagesQuery {
  const text = reader(query, ['before', 'reverse']);
  const reverse = text('reverse') ?? 'false';
  if (reverse !== 'true' && reverse !== 'false') {
    throw new ProtocolError('INVALID_TYPE', 'reverse must be true or false');
  }
  const isReverse = reverse === 'true';
  const unused = isReverse ? 'after' : 'before';
  // It would not make the list shorter.
  if (textOf(query, unused)) throw new ProtocolError('INVALID_TYPE', `${unused} is for the other direction`);
  const { limit } = page(query);
  return { reverse: isReverse, after: messageId(query, 'after'), before: messageId(query, 'before'), limit };
}

/** @throws ProtocolError naming the first offending parameter */
export function deadLettersQuery(query: Query): PageQuery & { readonly target?: string } {
  const text = reader(query, ['target']);
  return { target: text('target'), ...page(query) };
}

/** @throws ProtocolError naming the first offending parameter */
export function deliveryQuery(query: Query): { readonly uid: string } | { readonly connectionId: string } {
  const { uid, connectionId } = textParameters(query, ['uid', 'connectionId']);
  if (uid && connectionId) throw new ProtocolError('INVALID_SELECTOR', 'only one of uid and connectionId may be given');
  if (uid) return { uid };
  if (connectionId) return { connectionId };
  throw new ProtocolError('MISSING_FIELD', 'one of uid and connectionId is required');
}

export interface RevocationsQuery extends PageQuery {
  readonly targets: readonly RevocationTarget[];
}

/** @throws ProtocolError naming the first offending parameter */
export function revocationsQuery(query: Query): RevocationsQuery {
  const text = reader(query, ['uid', 'jti', 'kid']);
  const kinds = { uid: 'revokedUser', jti: 'revokedToken', kid: 'revokedKey' } as const;
  const targets = (['uid', 'jti', 'kid'] as const).flatMap((name): RevocationTarget[] => {
    const value = text(name);
    return value === undefined ? [] : [{ kind: kinds[name], names: [value] }];
  });
  return { targets, ...page(query) };
}

/**
 * For calls without parameters.
 *
 * @throws ProtocolError `UNKNOWN_FIELD`
 */
export function noQuery(query: Query): void {
  refuseUnknown(query, []);
}

/**
 * For calls that are no lists.
 *
 * @throws ProtocolError naming the first offending parameter
 */
export function textParameters<Name extends string>(
  query: Query,
  names: readonly Name[],
): Readonly<Partial<Record<Name, string>>> {
  refuseUnknown(query, names);
  return Object.fromEntries(names.map((name) => [name, textOf(query, name)])) as Partial<Record<Name, string>>;
}

/**
 * The members of a body. One that is given twice says not what is meant: of two uids only one would be sent away.
 *
 * @throws ProtocolError `MALFORMED_MESSAGE` for what is no JSON object, `INVALID_TYPE` for a member that is given twice,
 *   `UNKNOWN_FIELD` for one that is not among the known ones
 */
export function bodyMembers(body: Uint8Array, known: readonly string[]): JsonObject {
  const text = bodyText(body);
  const object = parseJsonObject(text, 'the body');
  refuseUnknown(object, known);
  const names = memberNames(text);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice === undefined) return object;
  throw new ProtocolError('INVALID_TYPE', `${twice} may be given once only`);
}

/** @throws ProtocolError `UNKNOWN_FIELD` naming a member that is not among the known ones */
function refuseUnknown(members: Query, known: readonly string[]): void {
  const unknown = Object.keys(members).find((name) => !known.includes(name));
  if (unknown !== undefined) throw unknownFieldError(unknown, known);
}

/** Gives parameters by name. An empty one is a mistake: what was meant to narrow a list would not. */
function reader(query: Query, names: readonly string[]): (name: string) => string | undefined {
  refuseUnknown(query, [...names, 'limit', 'after']);
  return (name) => {
    const value = textOf(query, name);
    if (value === '') throw new ProtocolError('INVALID_TYPE', `${name} must not be empty`);
    return value;
  };
}

function textOf(query: Query, name: string): string | undefined {
  const value = query[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw new ProtocolError('INVALID_TYPE', `${name} may be given once only`);
  if (value.includes('\u0000')) throw new ProtocolError('INVALID_TYPE', `${name} must not contain the null character`);
  return value;
}

function page(query: Query): PageQuery {
  const limit = textOf(query, 'limit') ?? `${DEFAULT_LIMIT}`;
  if (!/^\d{1,4}$/.test(limit) || Number(limit) < 1 || Number(limit) > MAX_LIMIT) {
    throw new ProtocolError('INVALID_TYPE', `limit must be a whole number from 1 to ${MAX_LIMIT}`);
  }
  return { after: textOf(query, 'after') ?? '', limit: Number(limit) };
}

function messageId(query: Query, name: string): string | undefined {
  const id = textOf(query, name);
  if (id === undefined || id === '') return undefined;
  if (!isUlid(id)) throw new ProtocolError('INVALID_TYPE', `${name} must be the id of a message`);
  return id.toUpperCase();
}

function channel(name: string | undefined): string | undefined {
  return name === undefined ? undefined : checkedChannel(name);
}

/**
 * A page of what was found, which is one more than the page has when there is more.
 *
 * @returns `next` names the last of the page, behind which the next one begins
 */
export function pageOf<Row, Item extends { readonly id: string }>(
  found: readonly Row[],
  limit: number,
  describe: (row: Row) => Item,
): { readonly items: Item[]; readonly next: string | null } {
  const items = found.slice(0, limit).map(describe);
  return { items, next: found.length > limit ? (items.at(-1)?.id ?? null) : null };
}
