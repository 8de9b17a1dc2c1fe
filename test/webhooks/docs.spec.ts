import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../support/eventually';
import { freePort } from '../support/free-port';
import { OTHER_SECRET, SECRET } from './receiver';
import { metricOf, Testbed } from './testbed';

const text = readFileSync(join(__dirname, '../../docs/webhooks.md'), 'utf8');
const exampleIn = (language: string) => new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(text)?.[1] ?? '';

let testbed: Testbed;
let folder: string;
let child: ChildProcess | undefined;

beforeEach(async () => {
  [testbed, folder] = [await Testbed.open(), await mkdtemp(join(tmpdir(), 'hearth-test-receiver-'))];
});
afterEach(async () => {
  child?.kill('SIGKILL');
  await testbed.close();
  await rm(folder, { recursive: true, force: true });
});

describe('the receiver in docs/webhooks.md', () => {
  it.each([
    ['js', process.execPath, 'receiver.mjs'],
    ['python', '/usr/bin/python3', 'receiver.py'],
  ])('in %s takes each event once, and nothing that is forged', async (language, program, file) => {
    const port = await freePort();
    const source = exampleIn(language);
    expect(source).toContain('3000');
    await writeFile(join(folder, file), source.replace('3000', String(port)));
    const receiver = spawn(program, [join(folder, file)], { env: { WEBHOOK_SECRET: SECRET } });
    child = receiver;
    let output = '';
    receiver.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
    const url = `http://127.0.0.1:${port}/`;
    const forge = () =>
      fetch(url, { method: 'POST', body: '{}', headers: { 'webhook-id': '1', 'webhook-signature': 'v1,AAAA' } });
    await eventually(async () => expect((await forge()).status).toBe(400));

    // The secret it knows is not the first of the two.
    const webhooks = await testbed.start(url, { HEARTH_WEBHOOK_SECRETS: `${OTHER_SECRET},${SECRET}` });
    for (const n of [1, 2]) await testbed.emit('c', n);
    await eventually(() => expect(output.match(/hotsock\.messagePublished c .*"n": ?[12]/g)).toHaveLength(2));
    await testbed.kill(webhooks);
    // As if nothing had been read: everything comes again.
    await testbed.sql.query('delete from webhook_waiting');
    await testbed.sql.query("update webhook_target set seq = 0, stream_time = '', lease_until = now()");
    const again = await testbed.start(url, { HEARTH_WEBHOOK_SECRETS: `${OTHER_SECRET},${SECRET}` });
    await eventually(async () => expect(await metricOf(again, 'delivered_total')).toBe(2));
    expect(output.match(/hotsock/g)).toHaveLength(2);
    await testbed.kill(again, 'SIGTERM');

    const stranger = await testbed.start(url, {
      HEARTH_WEBHOOK_SECRETS: OTHER_SECRET,
      HEARTH_WEBHOOK_MAX_ATTEMPTS: '1',
    });
    await testbed.emit('c', 3);
    await eventually(async () => expect(await metricOf(stranger, 'dead_letters_total')).toBe(1));
    expect(output.match(/hotsock/g)).toHaveLength(2);
  });
});
