import { PublishError, type PublishFailure } from './sdk-errors';
import type { PublishResult } from './message';

export interface HttpRequest {
  readonly url: URL;
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly headers: Record<string, string>;
  readonly body?: Uint8Array;
}

/** What came back, whatever its status. */
export interface Answer {
  readonly statusCode: number;
  readonly headers: Headers;
  readonly payload: Uint8Array;
}

/** Why nothing came back. */
export interface NoAnswer {
  readonly statusCode?: undefined;
  readonly code: 'TIMEOUT' | 'NETWORK_ERROR';
  readonly problem: string;
  readonly cause: unknown;
}

/** One of the ways to a publish-api: how a message is asked for, and what an answer means. */
export interface Transport {
  request(payload: Uint8Array): Promise<HttpRequest>;
  /** @throws PublishError when the message was refused */
  read(answer: Answer): PublishResult;
}

/** Result of an accepted message. */
export function resultOf(
  answer: Answer,
  more: Pick<PublishResult, 'executedVersion' | 'functionError' | 'requestId'> = {},
): PublishResult {
  const { statusCode, payload, headers } = answer;
  const text = () => textOf(answer);
  const warning = headers.get('hearth-warning') ?? undefined;
  return { statusCode, payload, warning, ...more, text, json: <T>() => JSON.parse(text()) as T };
}

/** What an answer calls an error. */
export interface Named {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly index?: unknown;
}

/** @param named what the answer calls the error; a code that is no string is replaced by the status */
export function refusalOf(
  answer: Answer,
  named: Named,
  more: Pick<PublishFailure, 'functionError' | 'requestId'> = {},
): PublishError {
  const { problem, ...failure } = failureOf(answer, named, 'the message was not accepted');
  const index = typeof named.index === 'number' ? named.index : undefined;
  return new PublishError(problem, { ...failure, index, ...more });
}

/** @param otherwise what is said when the answer says nothing */
export function failureOf({ statusCode, payload }: Answer, { code, message }: Named, otherwise: string) {
  return {
    problem: typeof message === 'string' ? message : otherwise,
    code: typeof code === 'string' ? code : `HTTP_${statusCode}`,
    statusCode,
    payload,
  };
}

/** The `error` member of an answer of the HTTP API (publish-api §9). */
export function namedError(answer: Answer): Named {
  const { error } = membersOf(answer);
  return typeof error === 'object' && error !== null ? error : {};
}

/** A JSON object's members, none when the payload is anything else. */
export function membersOf(answer: Answer): Readonly<Record<string, unknown>> {
  try {
    return { ...(JSON.parse(textOf(answer)) as object) };
  } catch {
    return {};
  }
}

export function textOf({ payload }: Answer): string {
  return new TextDecoder().decode(payload);
}
