import { randomBytes } from 'node:crypto';
import { eventually } from '../../support/eventually';
import { signToken } from '../../support/tokens';
import { connect } from '../../support/ws-client';
import { Cluster } from '../cluster';
import { Load } from '../load';
import { post } from '../publishers';
import { ATTACKS } from './attacks';
import type { Figure } from './figure';

const planted = (): string => `planted-${randomBytes(12).toString('hex')}`;
const PATHS = ['/metrics', '/readyz', '/livez', '/info'];

/** R14: no secret in what a process says, at the level that tells most, while everything goes wrong. */
export const plantedSecrets: Figure = {
  promise: 'R14',
  title: 'planted secrets in logs, metrics and errors',
  smallIn: 'test/history/logs.spec.ts',
  measure: async () => {
    const signingKey = randomBytes(32);
    const [apiKey, adminToken, webhookSecret, resumeKey] = [
      planted(),
      planted(),
      randomBytes(32).toString('base64'),
      randomBytes(32).toString('base64'),
    ];
    const cluster = await Cluster.start({
      ownPostgres: true,
      // Nobody listens there.
      webhookUrl: 'http://127.0.0.1:9/',
      env: {
        HEARTH_LOG_LEVEL: 'DEBUG',
        HEARTH_TRACES_SAMPLE_RATE: '100',
        HEARTH_SIGNING_KEY_2_ENCODED: signingKey.toString('base64'),
        HEARTH_HTTP_API_KEY_2: apiKey,
        HEARTH_ADMIN_TOKEN: adminToken,
        HEARTH_WEBHOOK_SECRETS: `whsec_${webhookSecret}`,
        HEARTH_RESUME_KEYS: resumeKey,
      },
    });
    const search = new Search(cluster, [
      ...[apiKey, adminToken, webhookSecret, resumeKey, signingKey.toString('base64'), signingKey.toString('hex')],
      ...[cluster.apiKey, cluster.awsKey.secret, new URL(cluster.postgres.url).password],
    ]);
    const load = new Load(cluster, { name: 'secrets', channels: ['alpha', 'beta'] });
    try {
      await load.start();
      await load.progress(30);
      await goAstray(cluster, signingKey, search);
      // What is no secret and is told at this level has to be found, or the search is none.
      await post(cluster.publishUrls[0] ?? '', apiKey, '/publish', {
        channel: 'alpha',
        event: 'e',
        data: search.known,
      });
      await eventually(async () => {
        await search.look();
        if (!search.foundKnown) throw new Error('the log does not tell what was published');
      });
      let attackers = 0;
      const target = {
        gatewayPort: cluster.gateways[0]?.app.port ?? 0,
        publishPort: cluster.publishApis[0]?.app.port ?? 0,
        apiKey,
        token: (channels: object) => {
          const claims = { scope: 'connect', uid: `attacker-${attackers++}`, channels };
          return search.plant(signToken(claims, { secret: signingKey }));
        },
      };
      for (const attack of ATTACKS) {
        await attack.strike(target);
        await search.look();
      }
      for (const server of [cluster.nats, cluster.postgres]) {
        await server.kill();
        load.shake();
        await goAstray(cluster, signingKey, search);
        await search.look();
        await server.restart();
        await eventually(async () => search.look());
      }
      await load.heal();
      for (const node of cluster.nodes) await node.stop();
      await search.look();
      process.stdout.write(`${search.secrets} secrets, ${search.lines.toLocaleString('en')} lines\n`);
      return [
        {
          what: `of ${search.secrets} planted secrets found in logs at DEBUG, metrics, readiness and errors`,
          measured: search.found.size,
          atMost: 0,
        },
      ];
    } finally {
      load.abandon();
      await cluster.stop();
    }
  },
};

/** Tries doors with keys and tokens that are wrong, and right ones in wrong places. */
async function goAstray(cluster: Cluster, secret: Buffer, search: Search): Promise<void> {
  const ask = async (url: string, init: RequestInit = {}): Promise<void> => {
    const answer = await fetch(url, init).then(
      (response) => response.text(),
      (error: unknown) => String(error),
    );
    search.lookIn(answer, url);
  };
  const key = search.plant(planted());
  for (const node of cluster.publishUrls) {
    const body = JSON.stringify({ channel: 'alpha', event: 'e' });
    await ask(`${node}/publish`, { method: 'POST', body, headers: { authorization: `Bearer ${key}` } });
    await ask(`${node}/publish?token=${key}`, { method: 'POST', body: '{', headers: { authorization: key } });
    await ask(`${node}/channels/alpha?key=${key}`);
  }
  for (const gateway of cluster.gateways) {
    const claims = { scope: 'connect', uid: 'u', channels: { '*': { subscribe: true, historyStart: 0 } } };
    const good = search.plant(signToken(claims, { secret }));
    const bad = search.plant(signToken(claims, { secret: Buffer.from(key) }));
    for (const token of [bad, `${good}x`, good.split('.').slice(0, 2).join('.')])
      await ask(`${gateway.app.httpUrl}/v1?token=${search.plant(token)}`);
    const client = await connect(gateway.app.wsUrl, good).catch(() => undefined);
    if (client === undefined) continue;
    const connected = await client.connected().catch(() => undefined);
    const credentials = connected?.data.connectionSecret as string | undefined;
    if (credentials !== undefined) {
      search.plant(credentials);
      const query = `?connectionId=${encodeURIComponent(connected?.data.connectionId as string)}&connectionSecret=${credentials}`;
      await ask(`${cluster.historyUrl}/connection/listMessages${query}`, {
        method: 'POST',
        body: '{"channel":"alpha"}',
      });
      await ask(`${cluster.historyUrl}/connection/listMessages${query}x`, { method: 'POST', body: '{' });
    }
    client.send({ event: 'hotsock.subscribe', channel: 'alpha', data: { token: bad, resume: { token: key } } });
    client.send({ event: 'hotsock.subscribe', channel: 'beta', data: { resume: { token: key } } });
    await client.close();
  }
}

/** Looks for what must not be seen. */
class Search {
  /** What of it was found, and where; never the secret itself. */
  readonly found = new Set<string>();
  lines = 0;
  readonly known = planted();
  foundKnown = false;
  private readonly seen = new Set<string>();

  constructor(
    private readonly cluster: Cluster,
    private readonly planted: string[],
  ) {}

  get secrets(): number {
    return this.planted.length;
  }

  plant(secret: string): string {
    this.planted.push(secret);
    return secret;
  }

  lookIn(text: string, where: string): void {
    const index = this.planted.findIndex((secret) => secret.length > 8 && text.includes(secret));
    if (index < 0) return;
    const hidden = this.planted.reduce((rest, secret) => rest.replaceAll(secret, '<SECRET>'), text);
    if (!this.found.has(`${index} ${where}`)) process.stderr.write(`${where}: ${hidden.slice(0, 400)}\n`);
    this.found.add(`${index} ${where}`);
  }

  /** In everything that processes have said since, and say of themselves now. */
  async look(): Promise<void> {
    for (const node of this.cluster.nodes) {
      for (const line of node.lines) {
        if (this.seen.has(line)) continue;
        this.seen.add(line);
        this.lines++;
        this.foundKnown ||= line.includes(this.known);
        this.lookIn(line, `log of ${node.label}`);
      }
      for (const path of node.isRunning ? PATHS : []) {
        const url = `http://127.0.0.1:${node.app.adminPort}${path}`;
        const text = await fetch(url).then(
          (answer) => answer.text(),
          () => '',
        );
        this.lookIn(text, url);
      }
    }
  }
}
