import * as fc from 'fast-check';
import { MESSAGE_FIELDS } from './publish-request';
import { nearestName, unknownFieldError, unknownFieldsWarning, unknownNames } from './unknown-fields';

describe('the name that was meant', () => {
  it.each([
    ['deduplicationID', 'deduplicationId'],
    ['deduplication_id', 'deduplicationId'],
    ['dedupicationId', 'deduplicationId'],
    ['Channel', 'channel'],
    ['chanel', 'channel'],
    ['chnanel', 'channel'],
    ['evnet', 'event'],
    ['schedule-expression', 'scheduleExpression'],
    ['scheduleExpressionTimeZone', 'scheduleExpressionTimezone'],
    ['eagerIDGeneration', 'eagerIdGeneration'],
    ['emitPubsubEvents', 'emitPubSubEvent'],
    ['stores', 'store'],
    ['dat', 'data'],
  ])('by %s is %s', (name, nearest) => expect(nearestName(name, MESSAGE_FIELDS)).toBe(nearest));

  it.each(['', 'ttl', 'metadata', '__proto__', 'x', 'd'.repeat(200_000)])('is nobody’s guess for %.20s', (name) =>
    expect(nearestName(name, MESSAGE_FIELDS)).toBeUndefined(),
  );

  it('is found through any one edit', () => {
    const edit = fc.tuple(fc.constantFrom(...MESSAGE_FIELDS), fc.nat(), fc.constantFrom('', 'x', 'xy'), fc.nat(1));
    fc.assert(
      fc.property(edit, ([name, at, put, cut]) => {
        // Of the shortest names, two edits leave too little.
        fc.pre(name.length > 5 || put.length + cut < 2);
        const place = at % name.length;
        expect(nearestName(name.slice(0, place) + put + name.slice(place + cut), MESSAGE_FIELDS)).toBe(name);
      }),
    );
  });
});

describe('unknown members', () => {
  it('are those that are not known and not null', () => {
    const parsed = JSON.parse(
      '{"channel":"c","a":0,"b":null,"__proto__":{"c":1},"constructor":false,"data":null}',
    ) as object;
    expect(unknownNames(parsed, MESSAGE_FIELDS)).toEqual(['a', '__proto__', 'constructor']);
    expect(unknownNames({ channel: 'c', event: 'e', data: {}, gone: null }, MESSAGE_FIELDS)).toBeUndefined();
  });

  it('are told as a list of RFC 9651, the first three and how many more', () => {
    const fields = ['deduplicationID', 'a"\\b', 'ñ\n', 'x', 'y'].map((name) => ({ name }));
    expect(unknownFieldsWarning(fields, MESSAGE_FIELDS)).toBe(
      'unknown-field;name="deduplicationID";nearest="deduplicationId", ' +
        'unknown-field;name="a\\"\\\\b", unknown-field;name="%C3%B1%0A", unknown-field;more=2',
    );
  });

  it('are a short header of printable ASCII, whatever they are called', () => {
    const names = fc.array(
      fc.string({ unit: fc.nat(0x10ffff).map((code) => String.fromCodePoint(code)), maxLength: 300 }),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(
      fc.property(names, (all) => {
        const header = unknownFieldsWarning(
          all.map((name, index) => ({ name, index })),
          MESSAGE_FIELDS,
        );
        expect(header).toMatch(/^[\x20-\x7e]{1,3000}$/);
      }),
    );
  });

  it('are an error that names one, in one line', () => {
    const { code, message, index } = unknownFieldError('chan\nel', MESSAGE_FIELDS, 4);
    expect([code, message, index]).toEqual(['UNKNOWN_FIELD', 'chan�el is not known; did you mean channel?', 4]);
    expect(unknownFieldError('x'.repeat(9_999), ['uid']).message).toBe(
      `${'x'.repeat(64)}… is not known; known here: uid`,
    );
    expect(unknownFieldError('x', []).message).toBe('x is not known; there are none here');
  });
});
