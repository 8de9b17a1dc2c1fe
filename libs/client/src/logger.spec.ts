import { consoleLogger } from './logger';

it('writes from its level on, and nothing at one that is none, until it is given another', () => {
  const written: unknown[] = [];
  for (const level of ['debug', 'warn'] as const) {
    jest.spyOn(console, level).mockImplementation((...what: unknown[]) => void written.push([level, ...what]));
  }
  const [usual, odd] = [consoleLogger('warn'), consoleLogger('none')];
  for (const logger of [usual, odd]) logger.debug('a');
  for (const logger of [usual, odd]) logger.warn('b');
  expect(written).toEqual([['warn', 'b']]);
  odd.setLevel('nothing');
  odd.setLevel('debug');
  odd.debug('c');
  expect(written).toEqual([
    ['warn', 'b'],
    ['debug', 'c'],
  ]);
  jest.restoreAllMocks();
});
