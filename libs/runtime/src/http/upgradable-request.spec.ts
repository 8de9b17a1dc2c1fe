import { once } from 'node:events';
import { Socket } from 'node:net';
import { UpgradableRequest } from './upgradable-request';

const MIB = 1_048_576;

/** A request of whose body so much has come. */
function begin(bytes: number): Socket {
  const socket = new Socket();
  new UpgradableRequest(socket).push(Buffer.alloc(bytes));
  return socket;
}

describe('a body that does not end', () => {
  it('counts until its connection closes, whether or not the request was answered', async () => {
    const closed = begin(60 * MIB).destroy();
    await once(closed, 'close');
    const others = [begin(70 * MIB), begin(50 * MIB)];
    expect(others.map(({ destroyed }) => destroyed)).toEqual([false, false]);
    const tooMuch = begin(9 * MIB);
    expect([...others, tooMuch].map(({ destroyed }) => destroyed)).toEqual([true, false, false]);
    for (const socket of [...others, tooMuch]) socket.destroy();
  });
});
