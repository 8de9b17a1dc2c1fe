import { Metrics } from '../admin/metrics';
import { LimitAnswers } from './limit-answers';

describe('LimitAnswers', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it('counts each, and warns once a minute of the number and the worst key', () => {
    const metrics = new Metrics();
    const said: unknown[] = [];
    const answers = new LimitAnswers(metrics, { warn: (about: unknown) => void said.push(about) } as never);
    const heard: string[] = [];
    answers.onAnswer(({ key }) => void heard.push(key));
    const refuse = (key: string) => answers.count({ limit: 'connectionPublish', answer: 'refused', key });
    ['a', 'b', 'c', 'c'].forEach(refuse);
    answers.count({ limit: 'connectionStrikes', answer: 'closed', key: 'c' });
    expect(said).toEqual([
      { limit: 'connectionPublish', number: 1, worst: 'a', times: 1 },
      { limit: 'connectionStrikes', number: 1, worst: 'c', times: 1 },
    ]);
    jest.advanceTimersByTime(60_000);
    expect(said.slice(2)).toEqual([{ limit: 'connectionPublish', number: 3, worst: 'c', times: 2 }]);
    jest.advanceTimersByTime(600_000);
    expect(said).toHaveLength(3);
    expect(heard).toEqual(['a', 'b', 'c', 'c', 'c']);
    expect(metrics.limited.of('connectionPublish').of('refused').value).toBe(4);
  });
});
