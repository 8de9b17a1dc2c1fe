import { ERROR_STATUS, type ErrorCode } from '@hearth/protocol';
import type { JsonSchema } from './json-schemas';

/** The words of OpenAPI for one operation. */
export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters?: readonly JsonSchema[];
  readonly requestBody?: JsonSchema;
  readonly responses: Readonly<Record<string, JsonSchema>>;
}

/** What any request can meet. */
const EVERYWHERE: readonly ErrorCode[] = [
  'MALFORMED_MESSAGE',
  'RATE_LIMITED',
  'LIMIT_REACHED',
  'INTERNAL_ERROR',
  'SERVICE_UNAVAILABLE',
];
export const ref = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` });
export const jsonBody = (schema: JsonSchema): JsonSchema => ({ content: { 'application/json': { schema } } });

/** A body of a request, of whatever type it calls itself. */
export const takes = (name: string, required = true): JsonSchema => ({ required, ...jsonBody(ref(name)) });

/** A success. */
export function answers(name: string | undefined, description: string, headers?: JsonSchema): JsonSchema {
  return {
    description,
    ...(headers === undefined ? {} : { headers }),
    ...(name === undefined ? {} : jsonBody(ref(name))),
  };
}

/** When to come again (limits §3). */
export const RETRY_AFTER: JsonSchema = {
  'Retry-After': { description: 'Seconds after which one more passes.', schema: { type: 'integer', minimum: 1 } },
};

/** Refusals by status: each with the codes that it can have. */
export function refusals(codes: readonly ErrorCode[]): Record<string, JsonSchema> {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of new Set([...codes, ...EVERYWHERE])) {
    const status = ERROR_STATUS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  // Where a body is taken, it may be packed (publish-api §3.1).
  const packed: Record<string, JsonSchema> = codes.includes('PAYLOAD_TOO_LARGE')
    ? { '415': refusal(['MALFORMED_MESSAGE']) }
    : {};
  const other = [...byStatus].map(([status, some]) => [String(status), refusal(some)] as const);
  return { ...Object.fromEntries(other), ...packed };
}

function refusal(codes: readonly ErrorCode[]): JsonSchema {
  const error = { type: 'object', required: ['code'], properties: { code: { enum: codes } } };
  return {
    description: codes.join(', '),
    ...(codes.includes('RATE_LIMITED') ? { headers: RETRY_AFTER } : {}),
    ...jsonBody({ allOf: [ref('ErrorBody'), { type: 'object', properties: { error } }] }),
  };
}

export function pathParameter(name: string, description: string, schema: JsonSchema = { type: 'string' }): JsonSchema {
  return { name, in: 'path', required: true, description, schema };
}

export function queryParameter(name: string, description: string, schema: JsonSchema = { type: 'string' }): JsonSchema {
  return { name, in: 'query', required: false, description, schema };
}
