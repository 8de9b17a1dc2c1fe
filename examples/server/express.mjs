// Express 5: tokens for clients, messages from the backend, and what Hearth tells it.
import express from 'express';
import { Issuer, Publisher, verifyWebhook, WebhookVerificationError } from '@hearth/server-sdk';

const { HEARTH_URL, HEARTH_API_KEY, HEARTH_SIGNING_SECRET, HEARTH_WEBHOOK_SECRETS, PORT = '3000' } = process.env;
const publisher = new Publisher({ httpApiUrl: HEARTH_URL, httpApiKey: HEARTH_API_KEY });
const issuer = new Issuer({
  issuerPrivateKey: Buffer.from(HEARTH_SIGNING_SECRET, 'base64'),
  issuerKeyAlgorithm: 'HS256',
  issuerTokenTtl: 60,
});

const app = express();

// In earnest, `uid` is the user of your session.
app.post('/hearth/token', (request, response) => {
  const uid = request.get('x-user');
  response.json({ token: issuer.issueToken({ scope: 'connect', uid, channels: { room: { autoSubscribe: true } } }) });
});

app.post('/messages', express.json(), async (request, response) => {
  await publisher.publishMessage({ channel: 'room', event: 'chat', data: { text: request.body.text }, store: 3600 });
  response.sendStatus(202);
});

// The signature is over the bytes as they came.
app.post('/hearth/webhook', express.raw({ type: '*/*' }), (request, response) => {
  const event = verifyWebhook(request.body, request.headers, HEARTH_WEBHOOK_SECRETS);
  console.log('hearth says', event.type);
  response.sendStatus(204);
});

app.use((error, request, response, next) => {
  if (error instanceof WebhookVerificationError) response.sendStatus(400);
  else next(error);
});

const server = app.listen(Number(PORT), () => console.log('listening on', server.address().port));
