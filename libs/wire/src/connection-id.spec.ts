import { encodeConnectionId, gatewayIdOf, MAX_GATEWAYS } from './connection-id';

describe('connection ids (websocket-protocol §2)', () => {
  it.each([0, 1, 0xabcdef, MAX_GATEWAYS - 1])('carry the number of the gateway: %d', (gatewayId) => {
    for (const byte of [0, 1, 127, 255]) {
      const id = encodeConnectionId(gatewayId, Buffer.alloc(8, byte));
      expect(id).toMatch(/^[A-Za-z0-9_-]{15}=$/);
      expect(gatewayIdOf(id)).toBe(gatewayId);
    }
  });

  it('is the example of the specification', () => {
    const bytes = Buffer.from('q83vEjRWeJCrze8=', 'base64');
    expect(encodeConnectionId(bytes.readUIntBE(0, 3), bytes.subarray(3))).toBe('q83vEjRWeJCrze8=');
  });

  it.each(['', 'q83vEjRWeJCrze8', 'q83vEjRWeJCrze9=', 'q83vEjRWeJCrze8%3D', 'q83v+jRWeJCrze8=', 'q83vEjRWeJCrze8=='])(
    'have one spelling only: %s is none',
    (text) => expect(gatewayIdOf(text)).toBeUndefined(),
  );
});
