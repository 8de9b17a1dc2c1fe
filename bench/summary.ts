import { PeerName } from './peers/peer';
import { Run } from './scenarios/run-scenario';
import { ScenarioName } from './scenarios/scenario';
import { spread, Spread } from './statistics';

/** The repetitions of each scenario taken together. Failed runs do not count. */
export class Summary {
  constructor(private readonly runs: readonly Run[]) {}

  /** Whether there is anything about this scenario on this server. */
  has(scenario: ScenarioName, peer: PeerName): boolean {
    return this.good(scenario, peer).length > 0;
  }

  of(scenario: ScenarioName, peer: PeerName, metric: string): Spread | undefined {
    return spread(this.good(scenario, peer).flatMap(({ metrics }) => metrics[metric] ?? []));
  }

  median(scenario: ScenarioName, peer: PeerName, metric: string): number | undefined {
    return this.of(scenario, peer, metric)?.median;
  }

  /** Share of a core the load generator used, in the median. */
  generatorCpu(scenario: ScenarioName, peer: PeerName): number | undefined {
    return spread(this.good(scenario, peer).flatMap(({ measurement }) => measurement?.generatorCpu ?? []))?.median;
  }

  private good(scenario: ScenarioName, peer: PeerName): readonly Run[] {
    return this.runs.filter((run) => run.scenario === scenario && run.peer === peer && run.failures.length === 0);
  }
}
