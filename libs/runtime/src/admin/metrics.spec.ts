import { Metrics } from './metrics';

describe('metrics', () => {
  it('show what was counted, each time anew', async () => {
    const metrics = new Metrics();
    const accepted = metrics.accepted.of('publish');
    accepted.inc();
    accepted.inc(4);
    metrics.delivered.inc(1_000);
    metrics.connections.of('websocket').add(3);
    metrics.connections.of('websocket').add(-1);
    metrics.sequencerLag.add('7', async () => 12);
    metrics.appendBatchSeconds.observe(0.002);
    for (let look = 0; look < 2; look++) {
      const text = await metrics.text();
      expect(text).toContain('hearth_accepted_total{route="publish"} 5\n');
      expect(text).toContain('hearth_delivered_total 1000\n');
      expect(text).toContain('hearth_connections{transport="websocket"} 2\n');
      expect(text).toContain('hearth_sequencer_lag{partition="7"} 12\n');
      expect(text).toContain('hearth_append_batch_seconds_count 1\n');
      expect(text).toContain('hearth_slow_consumers_total 0\n');
      expect(text).toContain('process_cpu_seconds_total');
    }
  });

  it('leave out what is not known, and what is somebody else’s by now', async () => {
    const metrics = new Metrics();
    metrics.sequencerLag.add('1', () => undefined);
    metrics.sequencerLag.add('2', () => Promise.reject(new Error('NATS is away')));
    const hide = metrics.sequencerLag.add('3', () => 4);
    const hideFormer = metrics.sequencerLag.add('4', () => 5);
    metrics.sequencerLag.add('4', () => 6);
    hideFormer();
    const lags = async () => (await metrics.text()).match(/^hearth_sequencer_lag.*$/gm);
    expect(await lags()).toEqual(['hearth_sequencer_lag{partition="3"} 4', 'hearth_sequencer_lag{partition="4"} 6']);
    hide();
    expect(await lags()).toEqual(['hearth_sequencer_lag{partition="4"} 6']);
    expect(await metrics.text()).not.toMatch(/^hearth_(clock_ahead_seconds|subscriptions) /m);
    metrics.subscriptions.add(0);
    expect(await metrics.text()).toMatch(/^hearth_subscriptions 0$/m);
  });

  it('are the same for two that ask at once', async () => {
    const metrics = new Metrics();
    metrics.sequencerLag.add('1', async () => 2);
    const [one, other] = await Promise.all([metrics.text(), metrics.text()]);
    for (const text of [one, other]) expect(text).toContain('hearth_sequencer_lag{partition="1"} 2\n');
  });

  it('of two processes in one do not collide', () => {
    expect(() => [new Metrics(), new Metrics()]).not.toThrow();
  });
});
