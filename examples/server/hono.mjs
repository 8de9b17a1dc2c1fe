// Hono 4: tokens for clients, messages from the backend, and what Hearth tells it.
import { Hono } from 'hono';
import { Issuer, Publisher, verifyWebhook, WebhookVerificationError } from '@hearth/server-sdk';

const { HEARTH_URL, HEARTH_API_KEY, HEARTH_SIGNING_SECRET, HEARTH_WEBHOOK_SECRETS } = process.env;
const publisher = new Publisher({ httpApiUrl: HEARTH_URL, httpApiKey: HEARTH_API_KEY });
const issuer = new Issuer({
  issuerPrivateKey: Buffer.from(HEARTH_SIGNING_SECRET, 'base64'),
  issuerKeyAlgorithm: 'HS256',
  issuerTokenTtl: 60,
});

const app = new Hono();

// In earnest, `uid` is the user of your session.
app.post('/hearth/token', (c) => {
  const uid = c.req.header('x-user');
  return c.json({ token: issuer.issueToken({ scope: 'connect', uid, channels: { room: { autoSubscribe: true } } }) });
});

app.post('/messages', async (c) => {
  const { text } = await c.req.json();
  await publisher.publishMessage({ channel: 'room', event: 'chat', data: { text }, store: 3600 });
  return c.body(null, 202);
});

// The signature is over the text as it came.
app.post('/hearth/webhook', async (c) => {
  const event = verifyWebhook(await c.req.text(), c.req.raw.headers, HEARTH_WEBHOOK_SECRETS);
  console.log('hearth says', event.type);
  return c.body(null, 204);
});

app.onError((error, c) => c.body(null, error instanceof WebhookVerificationError ? 400 : 500));

// For `serve` of `@hono/node-server`, Bun, Deno and workers.
export default app;
