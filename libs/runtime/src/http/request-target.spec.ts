import { authorityOf, normalTarget } from './request-target';

describe('the target of a request', () => {
  it.each([
    ['/v1?token=a', '/v1?token=a'],
    ['//v1?token=a', '/v1?token=a'],
    ['///socket.io//?EIO=4', '/socket.io/?EIO=4'],
    ['http://example.com/v1?x', '/v1?x'],
    ['HTTPS://example.com:8443//v1', '/v1'],
    ['http://example.com', '/'],
    ['wss://u:p@example.com/v1', '/v1'],
    ['http://example.com?x=1', '/?x=1'],
    ['/%76%31', '/v1'],
    ['/channels/a%2Fb%20c', '/channels/a%2Fb%20c'],
    ['/channels/%7Ea%2e%2E', '/channels/~a%2e%2E'],
    ['/v1?next=//x&y=%31', '/v1?next=//x&y=%31'],
    ['/%zz', '/%zz'],
    ['*', '*'],
    ['', ''],
  ])('%j is %j', (sent, normal) => expect(normalTarget(sent)).toBe(normal));
});

describe('the host that a target names', () => {
  it.each([
    ['/v1?x=http://other.example/', undefined],
    ['*', undefined],
    ['http://Evil.example:8080/metrics', 'Evil.example:8080'],
    ['http://localhost@evil.example/', 'evil.example'],
    ['http://evil.example?x', 'evil.example'],
  ])('in %s is %s', (target, host) => expect(authorityOf(target)).toBe(host));
});
