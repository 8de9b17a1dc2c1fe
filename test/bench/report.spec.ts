import { checkFloors } from '../../bench/floors';
import { PeerName } from '../../bench/peers/peer';
import { Run } from '../../bench/scenarios/run-scenario';
import { ScenarioName } from '../../bench/scenarios/scenario';
import { spread } from '../../bench/statistics';
import { Summary } from '../../bench/summary';

function run(scenario: ScenarioName, peer: PeerName, metrics: Record<string, number>, failures: string[] = []): Run {
  return { scenario, peer, repetition: 1, metrics, failures };
}

describe('the spread of repetitions', () => {
  it('is the median with the range', () => {
    expect(spread([5, 1, 3])).toEqual({ median: 3, min: 1, max: 5 });
    expect(spread([4, 2])).toEqual({ median: 3, min: 2, max: 4 });
    expect(spread([])).toBeUndefined();
  });
});

describe('the floors', () => {
  it('compare with the plain loop of the same run', () => {
    const runs = [
      run('fan-out-1', 'hearth', { deliveries: 200_000 }),
      run('fan-out-1', 'plain-ws', { deliveries: 150_000 }),
      run('fan-out-16', 'hearth', { deliveries: 140_000 }),
      run('fan-out-16', 'plain-ws', { deliveries: 150_000 }),
    ];
    expect(checkFloors(new Summary(runs)).map(({ passed }) => passed)).toEqual([true, false]);
  });

  it('compare with fixed bounds, in the right direction', () => {
    const runs = [run('many-channels', 'hearth', { p99: 9.9 }), run('publish', 'hearth', { accepted: 7999 })];
    expect(checkFloors(new Summary(runs)).map(({ passed }) => passed)).toEqual([true, false]);
  });

  it('compare with a share of another scenario', () => {
    const http = run('publish', 'hearth', { accepted: 10_000 });
    const passes = (accepted: number) =>
      checkFloors(new Summary([http, run('lambda', 'hearth', { accepted })]))[1]?.passed;
    expect([passes(6_000), passes(5_999)]).toEqual([true, false]);
    expect(checkFloors(new Summary([run('lambda', 'hearth', { accepted: 1 })]))).toEqual([]);
  });

  it('leave out what was not measured or has failed', () => {
    expect(checkFloors(new Summary([run('publish', 'hearth', { accepted: 9000 }, ['missing: 1'])]))).toEqual([]);
  });
});
