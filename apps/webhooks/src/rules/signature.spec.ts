import { signedHeaders } from './signature';

describe('the signature', () => {
  it('is the one that the Standard Webhooks libraries make', () => {
    // Known answer of the reference implementations.
    const headers = signedHeaders(
      'msg_p5jXN8AQM9LWM0D4loKWxJek',
      1_614_265_330_000,
      Buffer.from('{"test": 2432232314}'),
      ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
    );
    expect(headers).toEqual({
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    });
  });

  it('is there once for each secret, in their order', () => {
    const [a, b] = [Buffer.alloc(24, 1), Buffer.alloc(24, 2)].map((key) => `whsec_${key.toString('base64')}`);
    const signed = (secrets: string[]) => signedHeaders('id', 0, Buffer.from('{}'), secrets)['webhook-signature'];
    expect(signed([a!, b!])).toBe(`${signed([a!])} ${signed([b!])}`);
    expect(signed([a!])).not.toBe(signed([b!]));
  });
});
