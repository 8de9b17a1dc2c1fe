import { Webhook } from 'standardwebhooks';
import { verifyWebhook, type HeaderSource } from './verify-webhook';

const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const OTHER = `whsec_${Buffer.alloc(24, 2).toString('base64')}`;
const NOW = Date.UTC(2026, 0, 1);
const body = '{"type":"hotsock.connected","data":{"name":"Zoë 👋"}}';

/** Headers as the reference library signs them. */
function signed(secrets = [SECRET], text = body, atMs = NOW): Record<string, string> {
  return {
    'webhook-id': '01J9ZK3V7Q8W2X5Y6ABCDEFGHJ',
    'webhook-timestamp': String(Math.floor(atMs / 1_000)),
    'webhook-signature': secrets
      .map((secret) => new Webhook(secret).sign('01J9ZK3V7Q8W2X5Y6ABCDEFGHJ', new Date(atMs), text))
      .join(' '),
  };
}

const verify = (headers: HeaderSource, secrets: string | string[] = SECRET, text: string | Uint8Array = body) =>
  verifyWebhook(text, headers, secrets, { nowMs: NOW });

describe('verifying a webhook', () => {
  it('gives its event, from text or bytes, with headers of Node, of fetch or in any case', () => {
    const event = JSON.parse(body) as object;
    const headers = signed();
    expect(verify(headers)).toEqual(event);
    expect(verify(new Headers(headers), SECRET, Buffer.from(body))).toEqual(event);
    const upper = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), [value]]));
    expect(verify(upper)).toEqual(event);
  });

  it.each<[string, string[], string | string[]]>([
    ['the old secret', [SECRET, OTHER], SECRET],
    ['the new secret', [SECRET, OTHER], OTHER],
    ['one of several', [OTHER], [SECRET, OTHER]],
    ['one of several in one text', [OTHER], `${SECRET}, ${OTHER}`],
  ])('takes %s while secrets are changed', (_, senders, own) => {
    expect(verify(signed(senders), own)).toEqual(JSON.parse(body));
  });

  it.each<[string, HeaderSource, string?]>([
    ['another body', signed(), `${body} `],
    ['another secret', signed([OTHER])],
    ['another id', { ...signed(), 'webhook-id': 'x' }],
    ['another time', { ...signed(), 'webhook-timestamp': `${NOW / 1_000 + 1}` }],
    [
      'no signature of this scheme',
      { ...signed(), 'webhook-signature': signed()['webhook-signature']!.replace('v1,', 'v2,') },
    ],
    ['half a signature', { ...signed(), 'webhook-signature': signed()['webhook-signature']!.slice(0, 30) }],
    ['an empty signature', { ...signed(), 'webhook-signature': 'v1,' }],
    ['no id', { ...signed(), 'webhook-id': undefined }],
    ['no time', { ...signed(), 'webhook-timestamp': '' }],
    ['no signature', {}],
    ['a time that is none', signed([SECRET], body, NaN)],
    ['one that is too old', signed([SECRET], body, NOW - 301_000)],
    ['one of the future', signed([SECRET], body, NOW + 301_000)],
  ])('refuses %s', (_, headers, text = body) => {
    expect(() => verify(headers, SECRET, text)).toThrow(expect.objectContaining({ name: 'WebhookVerificationError' }));
  });

  it('is told a body that was parsed already', () => {
    const parsed = JSON.parse(body) as string;
    expect(() => verifyWebhook(parsed, signed(), SECRET)).toThrow(expect.objectContaining({ name: 'ArgumentError' }));
  });

  it.each([{ toleranceSeconds: NaN }, { nowMs: NaN }])('%j makes no webhook recent', (options) => {
    const old = signed([SECRET], body, NOW - 3_000_000);
    expect(() => verifyWebhook(body, old, SECRET, { nowMs: NOW, ...options })).toThrow('webhook-timestamp');
  });

  it('has a tolerance that can be chosen', () => {
    const late = signed([SECRET], body, NOW - 3_000_000);
    expect(verifyWebhook(body, late, SECRET, { nowMs: NOW, toleranceSeconds: 3_000 })).toEqual(JSON.parse(body));
    expect(() =>
      verifyWebhook(body, signed([SECRET], body, NOW - 2_000), SECRET, { nowMs: NOW, toleranceSeconds: 1 }),
    ).toThrow('webhook-timestamp is more than 1 s from now');
  });

  it.each([
    ['no secret', []],
    ['a variable that is not set', null as unknown as string],
    ['one of a variable that is not set', [undefined as unknown as string]],
    ['an empty one', ''],
    ['one without its prefix', [SECRET.slice(6)]],
    ['half of one', ['whsec_']],
  ])('is told %s', (_, secrets) => {
    expect(() => verify(signed(), secrets)).toThrow(expect.objectContaining({ name: 'ConfigurationError' }));
  });
});
