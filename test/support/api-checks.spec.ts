import { checkAnswer, checkEvent, checkFrame, takeDifferences } from './api-checks';

/** A comparison that finds nothing wrong with anything would go unnoticed: all that it is asked elsewhere is right. */
const found = (): string => takeDifferences().join('\n');

describe('the comparison with the documents finds nothing in', () => {
  it.each<[what: string, check: () => void]>([
    ['an answer as written', () => answer('POST', '/publish', 202, { channel: 'c', event: 'e' })],
    ['a refusal as written', () => answer('POST', '/publish', 401, { error: { code: 'UNAUTHORIZED', message: 'no' } })],
    ['an answer without a body, where none is written', () => checkAnswer('DELETE', url('/schedules/x'), empty(204))],
    ['what is no operation of the documents', () => answer('GET', '/nothing', 200, {})],
    ['a frame as written', () => checkFrame({ event: 'hotsock.pong', data: '{}' } as object)],
  ])('%s', (_, check) => {
    check();
    expect(found()).toBe('');
  });
});

describe('the comparison with the documents finds', () => {
  it.each<[what: string, difference: RegExp, check: () => void]>([
    ['a status that is not written', /POST \/publish 418 is not written/, () => answer('POST', '/publish', 418, {})],
    [
      'a missing member',
      /POST \/publish 202 must have .*'event'/,
      () => answer('POST', '/publish', 202, { channel: 'c' }),
    ],
    [
      'a member that is not written',
      /POST \/publish 202 must NOT .*more/,
      () => answer('POST', '/publish', 202, { channel: 'c', event: 'e', more: 1 }),
    ],
    [
      'a code that is none',
      /error\/code/,
      () => answer('GET', '/channels/c', 404, { error: { code: 'NO_CODE', message: 'x' } }),
    ],
    [
      'a body where none is written',
      /DELETE \/schedules\/\{id\} 204 has no body/,
      () => answer('DELETE', '/schedules/x', 204, {}),
    ],
    ['a missing body', /POST \/publish 202/, () => checkAnswer('POST', url('/publish'), empty(202))],
    [
      'the answer of another operation',
      /POST \/publish\/batch 202/,
      () => answer('POST', '/publish/batch', 202, { channel: 'c', event: 'e' }),
    ],
    ['a frame that is not written', /no frame hello/, () => checkFrame({ event: 'hotsock.hello' })],
    [
      'a member too many in a frame',
      /frame pong/,
      () => checkFrame({ event: 'hotsock.pong', data: '{}', more: 1 } as object),
    ],
    ['an event that is not written', /no event hello/, () => checkEvent({ dataType: 'hello' })],
    ['an event without its members', /event message/, () => checkEvent({ dataType: 'message' })],
  ])('%s', (_, difference, check) => {
    check();
    expect(found()).toMatch(difference);
  });

  it('what went wrong once, and tells it once', () => {
    checkFrame({ event: 'hotsock.hello' });
    expect(takeDifferences()).toHaveLength(1);
    expect(takeDifferences()).toEqual([]);
  });
});

function answer(method: string, path: string, status: number, body: object): void {
  checkAnswer(method, url(path), { status, text: JSON.stringify(body) });
}

function url(path: string): string {
  return `http://localhost:8080${path}`;
}

function empty(status: number): { status: number; text: string } {
  return { status, text: '' };
}
