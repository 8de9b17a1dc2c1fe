import { connectionData, endedConnectionData, type OperationOf } from '@hearth/wire';
import { applyOperation } from './apply-operation';
import { ChannelState } from './channel-state';

const DETAILS = {
  id: 'AAAAAQAAAAAAAAA=',
  connectedAtMs: Date.UTC(2026, 0, 1),
  keepAlive: true,
  sourceIp: undefined,
  uid: '"disconnectedAt":null',
  umdJson: '{"n":1.0}',
  userAgent: undefined,
};
const PLACE = { kind: 'connection', partition: 0, gatewayId: 1, connectionId: DETAILS.id } as const;
const CONNECTED = {
  ...PLACE,
  event: 'connected',
  introduces: [{ id: 'i', dataJson: connectionData(DETAILS) }],
} as const;
const UPDATED = { ...PLACE, event: 'connectionUpdated', dataJson: '{"n":2}' } as const;
const ENDED = { ...PLACE, event: 'disconnected', dataJson: '{"n":3}' } as const;

/** What is told of operations applied in turn, without the introduction, and the rows that are left. */
function told(...operations: OperationOf<'connection'>[]): { readonly events: unknown[]; readonly rows: unknown[] } {
  const state = new ChannelState();
  state.connections.learn([{ partition: 0 }], []);
  const events = operations.flatMap((operation, sequence) => {
    const one = { id: 'id', position: { epoch: 1, sequence }, acceptedMs: 0, operation, data: Buffer.alloc(0) };
    return applyOperation(one, state, { presenceMaxBytes: 1 }).events ?? [];
  });
  const rows = [...state.connections.of({ partition: 0 }).values()].map(({ dataJson }) => dataJson);
  return { events: events.map(({ name, dataJson, metadata }) => [name, dataJson, metadata.reason]), rows };
}

describe('a connection', () => {
  it('has a row while it lasts, with what is told of it last', () => {
    expect(told(CONNECTED)).toEqual({ events: [], rows: [CONNECTED.introduces[0].dataJson] });
    expect(told(CONNECTED, UPDATED).rows).toEqual(['{"n":2}']);
    expect(told(CONNECTED, UPDATED, ENDED)).toEqual({
      events: [
        ['connectionUpdated', '{"n":2}', undefined],
        ['disconnected', '{"n":3}', undefined],
      ],
      rows: [],
    });
  });

  it('ends once, whoever says so first', () => {
    const buried = { ...ENDED, reason: 'gateway-died' };
    expect(told(CONNECTED, buried, ENDED, UPDATED).events).toEqual([['disconnected', '{"n":3}', 'gateway-died']]);
    expect(told(CONNECTED, CONNECTED, ENDED, buried).events).toEqual([['disconnected', '{"n":3}', undefined]]);
  });

  it('is told of without a row only when nobody wanted events at its beginning', () => {
    expect(told(ENDED)).toEqual({ events: [], rows: [] });
    expect(told({ ...UPDATED, unannounced: true }, { ...ENDED, unannounced: true })).toEqual({
      events: [
        ['connectionUpdated', '{"n":2}', undefined],
        ['disconnected', '{"n":3}', undefined],
      ],
      rows: [],
    });
  });

  it('is described as specified, and keeps its metadata as written', () => {
    const open = connectionData(DETAILS);
    expect(open).toContain('"umd":{"n":1.0}');
    const wanted = {
      ...DETAILS,
      connectedAt: '2026-01-01T00:00:00.000Z',
      sourceIp: null,
      userAgent: null,
      umd: { n: 1 },
    };
    const { connectedAtMs: _, umdJson: __, ...data } = wanted;
    expect(JSON.parse(open)).toEqual({ ...data, disconnectedAt: null });
    const ended = JSON.parse(endedConnectionData(open, Date.UTC(2026, 0, 2))) as unknown;
    expect(ended).toEqual({ ...data, disconnectedAt: '2026-01-02T00:00:00.000Z' });
  });
});
