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
    metrics.sequencerLag.of('7').set(12);
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

  it('of two processes in one do not collide', () => {
    expect(() => [new Metrics(), new Metrics()]).not.toThrow();
  });
});
