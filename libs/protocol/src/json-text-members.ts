import { ProtocolError } from './errors';
import { jsonType, withArticle } from './json-text';

/** Members of parsed requests, with errors that name the field. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** @throws ProtocolError `MALFORMED_MESSAGE` */
export function parseJson(text: string, what: string): unknown {
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
export function asObject(value: unknown, what: string): JsonObject {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new ProtocolError('MALFORMED_MESSAGE', `${what} must be a JSON object, got ${withArticle(jsonType(value))}`);
  }
  return value as JsonObject;
}

/**
 * A member that must be of one JSON type; missing and `null` give `undefined`.
 *
 * @throws ProtocolError `INVALID_TYPE`
 */
export function typedMember(object: JsonObject, name: string, type: 'string'): string | undefined;
export function typedMember(object: JsonObject, name: string, type: 'boolean'): boolean | undefined;
export function typedMember(object: JsonObject, name: string, type: 'number'): number | undefined;
export function typedMember(object: JsonObject, name: string, type: string): unknown;
export function typedMember(object: JsonObject, name: string, type: string): unknown {
  const value = object[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== type) {
    throw new ProtocolError(
      'INVALID_TYPE',
      `${name} must be ${withArticle(type)}, got ${withArticle(jsonType(value))}`,
    );
  }
  return value;
}
