import { ProtocolError } from './errors';
import { typeName } from './json-text';

/** Members of parsed requests, with errors that name the field. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** @throws ProtocolError `MALFORMED_MESSAGE` */
function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ProtocolError('MALFORMED_MESSAGE', `${what} must be valid JSON`);
  }
}

/**
 * Parses text that must hold one JSON object.
 *
 * @param what how error texts call it, e.g. `the body`
 * @throws ProtocolError `MALFORMED_MESSAGE`
 */
export function parseJsonObject(text: string, what: string): JsonObject {
  return asObject(parseJson(text, what), what);
}

/** @throws ProtocolError `MALFORMED_MESSAGE` unless the value is an object */
function asObject(value: unknown, what: string): JsonObject {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new ProtocolError('MALFORMED_MESSAGE', `${what} must be a JSON object, got ${typeName(value)}`);
  }
  return value as JsonObject;
}

/**
 * A member that must be of one JSON type; missing and `null` give `undefined`.
 *
 * @throws ProtocolError `INVALID_TYPE`
 */
export function typedMember<Type extends keyof MemberTypes>(
  object: JsonObject,
  name: string,
  type: Type,
): MemberTypes[Type] | undefined {
  const value = object[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === type) return value as MemberTypes[Type];
  throw new ProtocolError('INVALID_TYPE', `${name} must be a ${type}, got ${typeName(value)}`);
}

interface MemberTypes {
  string: string;
  boolean: boolean;
  number: number;
}
