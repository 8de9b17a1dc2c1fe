import { isSupportedNats, knowsSyncInterval } from './nats-version';

describe('a version of nats-server', () => {
  it.each(['2.9.24', '2.9.25', '2.10.4', '2.10.27', '2.11.0', '2.15.1', '3.0.0', '2.12.0-RC.1'])(
    '%s is supported',
    (version) => expect(isSupportedNats(version)).toBe(true),
  );

  it.each(['2.9.10', '2.9.23', '2.8.99', '2.10.0', '2.10.3', '1.4.1', '', 'devel'])('%s is not', (version) =>
    expect(isSupportedNats(version)).toBe(false),
  );

  it('knows sync_interval from 2.10 on', () => {
    expect(['2.9.25', '2.10.4', '2.15.1', '3.0.0'].map(knowsSyncInterval)).toEqual([false, true, true, true]);
  });
});
