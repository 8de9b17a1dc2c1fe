import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { originReader, sourceIpReader } from './client-origin';

function sourceIp(trustedProxies: string[], peer: string | undefined, forwarded?: string): string {
  const headers: IncomingHttpHeaders = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
  const request = { headers, socket: { remoteAddress: peer } } as IncomingMessage;
  return sourceIpReader({ trustedProxies })(request);
}

describe('the source address', () => {
  it.each([
    ['the peer when no proxy is trusted', [], '192.0.2.1', '198.51.100.1', '192.0.2.1'],
    ['the peer when it is not a trusted proxy', ['10.0.0.0/8'], '192.0.2.1', '198.51.100.1', '192.0.2.1'],
    ['what a trusted proxy saw', ['10.0.0.0/8'], '10.1.2.3', '198.51.100.1', '198.51.100.1'],
    [
      'the last untrusted hop, not what the client made up',
      ['10.0.0.0/8'],
      '10.1.2.3',
      '1.1.1.1, 198.51.100.1',
      '198.51.100.1',
    ],
    [
      'looked for through a chain of proxies',
      ['10.0.0.0/8'],
      '10.1.2.3',
      '1.1.1.1, 198.51.100.1, 10.9.9.9',
      '198.51.100.1',
    ],
    ['the farthest proxy when all are trusted', ['10.0.0.0/8'], '10.1.2.3', '10.7.7.7, 10.9.9.9', '10.7.7.7'],
    ['the proxy when it tells nothing', ['10.0.0.0/8'], '10.1.2.3', undefined, '10.1.2.3'],
    ['the last good hop when the next is no address', ['10.0.0.0/8'], '10.1.2.3', 'unknown, 10.9.9.9', '10.9.9.9'],
    ['freed of its port', ['10.0.0.1'], '10.0.0.1', '198.51.100.1:4711', '198.51.100.1'],
    ['freed of brackets and port', ['::1'], '::1', '[2001:db8::1]:4711', '2001:db8::1'],
    ['the IPv4 address of a mapped peer', ['10.0.0.0/8'], '::ffff:10.1.2.3', '198.51.100.1', '198.51.100.1'],
    ['unmapped also without proxies', [], '::ffff:192.0.2.1', undefined, '192.0.2.1'],
    ['unmapped in any form', ['10.0.0.0/8'], '10.1.2.3', '0:0:0:0:0:FFFF:c000:201', '192.0.2.1'],
    ['looked for behind proxies in any form', ['10.0.0.0/8'], '10.1.2.3', '192.0.2.1, ::ffff:a00:1', '192.0.2.1'],
    ['left alone where it only looks like one', [], '::ffff:0:7f00:1', undefined, '::ffff:0:7f00:1'],
    ['empty when the socket is gone', ['10.0.0.0/8'], undefined, '198.51.100.1', ''],
  ])('is %s', (_name, trusted, peer, forwarded, expected) => {
    expect(sourceIp(trusted, peer, forwarded)).toBe(expected);
  });
});

describe('the user agent', () => {
  const of = (bytes: Buffer) =>
    originReader({ trustedProxies: [] })({
      headers: { 'user-agent': bytes.toString('latin1') },
      socket: {},
    } as unknown as IncomingMessage).userAgent;

  it.each([
    ['of ASCII', Buffer.from('curl/8'), 'curl/8'],
    ['in UTF-8', Buffer.from('Équipe/1 👋'), 'Équipe/1 👋'],
    ['in ISO 8859-1', Buffer.from('Équipe/1', 'latin1'), 'Équipe/1'],
    ['cut where it is too long', Buffer.from('é'.repeat(2_000)), 'é'.repeat(1_024)],
  ])('is read as it was meant: %s', (_what, bytes, text) => {
    expect(of(bytes)).toBe(text);
  });
});
