import { headerIn, headerLine, statusIn } from './nats-by-hand';

describe('headers', () => {
  const headers = `NATS/1.0${headerLine('Nats-Msg-Id', 'lane:x:1')}${headerLine('Sent', '12')}\r\n\r\n`;

  it('are found by their whole name, as they came or without the space', () => {
    expect(headerIn(headers, 'Nats-Msg-Id')).toBe('lane:x:1');
    expect(headerIn(headers, 'Sent')).toBe('12');
    expect(headerIn('NATS/1.0\r\nSent:12 \r\n\r\n', 'Sent')).toBe('12');
    expect(headerIn(headers, 'Msg-Id')).toBeUndefined();
    expect(headerIn('', 'Sent')).toBeUndefined();
  });

  it('take no value that would be more than one, or whose bytes cannot be counted by its letters', () => {
    for (const value of ['1\r\nOther: 2', 'é'])
      expect(() => headerLine('Sent', value)).toThrow('not the value of a header');
  });

  it.each([
    ['', undefined],
    [headers, undefined],
    ['NATS/1.0 404 No Messages\r\n\r\n', { code: 404, description: 'No Messages' }],
    ['NATS/1.0 503\r\n\r\n', { code: 503, description: '' }],
    ['NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 1\r\n\r\n', { code: 100, description: 'Idle Heartbeat' }],
  ])('%j say the status %j', (text, status) => {
    expect(statusIn(text)).toEqual(status);
  });
});
