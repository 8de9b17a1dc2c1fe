import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Installation } from '../start/hearth-process';
import { freePort } from '../support/free-port';
import { connect } from '../support/ws-client';
import { failure, hearth } from './hearth-command';

/** The installation that the other commands are tested with. */
interface Shared {
  readonly installation: Installation;
  readonly env: Record<string, string>;
  readonly port: number;
}

/** The management API from a terminal (management-api §8). */
export function describeManagement(shared: () => Shared): void {
  const run = (...args: string[]) => hearth(args, { env: shared().env });
  const json = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(...args, '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return JSON.parse(stdout);
  };

  const publishAll = async (messages: readonly object[] | string) => {
    const { installation, port } = shared();
    const key = JSON.parse(await readFile(join(installation.dataDir, 'keys.json'), 'utf8')).httpApiKey1;
    const answer = await fetch(`http://127.0.0.1:${port}/publish/batch`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: typeof messages === 'string' ? messages : JSON.stringify(messages),
    });
    expect(answer.status).toBe(202);
  };

  it('lists connections and channels, shows one, and sends them away', async () => {
    const token = (await run('token', '--uid', 'cli\u001b[31m', '--channel', 'cli-c')).stdout.trim();
    const client = await connect(`ws://127.0.0.1:${shared().port}/v1`, token);
    client.send({ event: 'hotsock.subscribe', channel: 'cli-c' });
    await client.next('hotsock.subscribed');
    const { connections, total, complete } = await json('connections', '--channel', 'cli-c');
    expect([connections.length, total, complete]).toEqual([1, 1, true]);
    const [{ id }] = connections;
    expect((await json('connections', id)).subscriptions).toMatchObject([{ channel: 'cli-c' }]);
    // What a client calls itself is text, whatever a terminal would make of it.
    const { stdout } = await run('connections', '--channel', 'cli-c');
    expect(stdout).toContain(id);
    expect(stdout).toContain('cli\\u001b[31m');
    expect((await run('connections', id)).stdout).toMatch(/^id +\S+=\n[^]*\nchannel +alias +uid +subscribedAt\ncli-c /);
    expect((await json('channels', '--prefix', 'cli-')).channels).toMatchObject([
      { name: 'cli-c', connectionsCount: 1 },
    ]);
    expect((await run('channels', '--prefix', 'nothing-')).stdout).toBe('none\n');
    expect(await run('connections', 'x')).toEqual(failure(1, 'NOT_FOUND'));

    const why = async (...more: string[]) => (await run('why', 'cli-c', ...more, '--connection', id)).stdout;
    await publishAll([{ channel: 'cli-c', event: 'said' }]);
    const message = (await client.next('said')).id;
    expect(await why()).toMatch(
      /^\w{26} {2}said {2}\S+Z {2}passed on at position \d+, not stored\n\S+= {2}\S+ {2}sent\n$/,
    );
    expect((await run('unsubscribe', '--channel', 'cli-c', '--connection', id)).stdout).toMatch(
      /^Unsubscribed 1, refused until \S+Z\n$/,
    );
    await client.next('hotsock.unsubscribed');
    const args = ['--connection', id, '--reason', 'Bye', '--reconnect'];
    expect(await json('disconnect', ...args)).toEqual({ disconnected: 1, complete: true, refusedUntil: null });
    expect(await client.closed).toEqual({ code: 4401, reason: 'Bye' });
    await publishAll([{ channel: 'cli-c', event: 'said' }]);
    expect(await why(message)).toMatch(/ {2}was not subscribed; ended \S+Z with 4401 Bye\n$/);
    expect(await run('why', 'cli-c')).toEqual(failure(2, '--uid'));
  });

  it('lists all of what is scheduled, however much it is, shows one and cancels it', async () => {
    for (let page = 0; page < 11; page++) {
      const messages = Array.from({ length: page < 10 ? 100 : 1 }, () => {
        return { channel: 'cli-s', event: 'later', data: 7, scheduleExpression: 'at(2090-01-01T00:00:00)' };
      });
      await publishAll(messages);
    }
    const { schedules } = await json('schedules', '--channel', 'cli-s');
    expect(new Set(schedules.map((one: { id: string }) => one.id)).size).toBe(1_001);
    const [{ id }] = schedules;
    expect((await run('schedules', id)).stdout).toMatch(/\ndata +7\n/);
    expect((await run('schedules', 'cancel', id)).stdout).toBe(`Cancelled ${id}\n`);
    expect(await run('schedules', 'cancel', id, '--json')).toEqual(failure(1, 'NOT_FOUND'));
  });

  it('shows what is stored of a channel, the newest last', async () => {
    await publishAll([1, '\u001b[31m', 3, 4].map((data) => ({ channel: 'cli-h', event: 'said', data, store: 600 })));
    const { messages } = await json('history', 'cli-h');
    expect(messages.map(({ data }: { data: unknown }) => data)).toEqual([1, '\u001b[31m', 3, 4]);
    expect((await run('history', 'cli-h', '--limit', '2')).stdout).toMatch(
      /^id +event +uid +data\n\w{26} +said +- +3\n\w{26} +said +- +4\n$/,
    );
    const rest = (await run('history', 'cli-h', '--after', messages[0].id, '--limit', '1')).stdout;
    expect(rest).toMatch(/\\u001b\[31m\n$/);
    // JavaScript can hold neither.
    const numbers = ['1e400', '12345678901234567890'];
    await publishAll(
      `[${numbers.map((data) => `{"channel":"cli-n","event":"said","data":${data},"store":600}`).join()}]`,
    );
    expect((await run('history', 'cli-n')).stdout).toMatch(/ 1e400\n.* 12345678901234567890\n$/);
    expect((await run('history', 'cli-n', '--json')).stdout).toMatch(/"data":1e400,.*"data":12345678901234567890,/);
    expect(await run('dead-letters', 'retry')).toEqual(failure(2, '--target'));
  });

  it('revokes, lists what was revoked, and takes it back', async () => {
    const { id, jti } = await json('revoke', '--jti', 'cli-t', '--keep-for', '1h', '--reason', 'Lost');
    expect(jti).toBe('cli-t');
    const before = await json('revoke', '--uid', 'cli-u', '--before', '2026-01-01T00:00:00Z', '--keep-for', '-1');
    expect([before.issuedBefore, before.keptUntil]).toEqual(['2026-01-01T00:00:00Z', null]);
    expect((await run('revoke', '--kid', 'cli-k')).stdout).toMatch(
      /^Revoked as \w{26}, kept until \S+Z; disconnected 0\n$/,
    );
    expect((await run('revocations', '--jti', 'cli-t')).stdout).toMatch(/^id .*\n\w{26} +cli-t .* Lost\n$/);
    expect((await json('revocations')).revocations).toHaveLength(3);
    expect((await run('revocations', '--delete', id)).stdout).toBe(`Deleted ${id}\n`);
    expect(await run('revocations', '--delete', id)).toEqual(failure(1, 'NOT_FOUND'));
  });

  it('says what is wrong with the command line, and when it is refused or not reached', async () => {
    expect(await run('disconnect')).toEqual(failure(2, '--uid'));
    expect(await run('disconnect', '--uid', 'a', '--jti', 'b')).toEqual(failure(2, '--uid, --jti'));
    expect(await run('unsubscribe', '--uid', 'a')).toEqual(failure(2, '--channel'));
    expect(await run('revoke', '--jti', 'a', '--before', '1')).toEqual(failure(2, '--before'));
    expect(await run('revoke', '--uid', 'a', '--keep-for', 'x')).toEqual(failure(2, '--keep-for'));
    expect(await run('revoke', '--uid', 'a', '--before', 'x')).toEqual(failure(1, 'issuedBefore'));
    expect(await run('connections', '--api-key', 'wrong')).toEqual(failure(1, 'UNAUTHORIZED'));
    const nowhere = await run('channels', '--url', `http://127.0.0.1:${await freePort()}`);
    expect(nowhere).toEqual(failure(1, 'cannot be reached: ECONNREFUSED'));
    const blocked = await run('channels', '--url', 'http://127.0.0.1:6000');
    expect(blocked).toEqual(failure(1, 'http://127.0.0.1:6000 cannot be reached: bad port'));
    expect(await hearth(['channels'])).toEqual(failure(2, 'HEARTH_ADMIN_TOKEN'));
  });
}
