import { sentenceOf } from './terminal-lines';

it.each([
  [{ message: 'Started' }, 'Started'],
  [{ type: 'app.audit', action: 'refuse' }, 'app.audit'],
  [
    { message: 'no NATS', err: { message: 'refused', cause: { message: 'gone', code: 'ECONNREFUSED' } } },
    'no NATS: refused: gone',
  ],
])('a line for people says what %j is', (log, sentence) => {
  expect(sentenceOf(log, 'message')).toBe(sentence);
});
