// Next.js: app/hearth/[action]/route.ts. Tokens for clients, messages from the backend, and what Hearth tells it.
import { Issuer, Publisher, verifyWebhook, WebhookVerificationError } from '@hearth/server-sdk';

interface MyChannels {
  room: { events: { chat: { text: string } } };
}

const { HEARTH_URL, HEARTH_API_KEY, HEARTH_SIGNING_SECRET = '', HEARTH_WEBHOOK_SECRETS = '' } = process.env;
const publisher = new Publisher<MyChannels>({ httpApiUrl: HEARTH_URL, httpApiKey: HEARTH_API_KEY });
const issuer = new Issuer({
  issuerPrivateKey: Buffer.from(HEARTH_SIGNING_SECRET, 'base64'),
  issuerKeyAlgorithm: 'HS256',
  issuerTokenTtl: 60,
});

// In earnest, `uid` is the user of your session.
function token(request: Request): Response {
  const uid = request.headers.get('x-user');
  return Response.json({
    token: issuer.issueToken({ scope: 'connect', uid, channels: { room: { autoSubscribe: true } } }),
  });
}

async function message(request: Request): Promise<Response> {
  const { text } = (await request.json()) as { text: string };
  await publisher.publishMessage({ channel: 'room', event: 'chat', data: { text }, store: 3600 });
  return new Response(null, { status: 202 });
}

// The signature is over the text as it came.
async function webhook(request: Request): Promise<Response> {
  try {
    const event = verifyWebhook(await request.text(), request.headers, HEARTH_WEBHOOK_SECRETS);
    console.log('hearth says', event.type);
    return new Response(null, { status: 204 });
  } catch (error) {
    if (error instanceof WebhookVerificationError) return new Response(null, { status: 400 });
    throw error;
  }
}

const actions: Record<string, (request: Request) => Response | Promise<Response>> = { token, message, webhook };

export async function POST(request: Request, context: { params: Promise<{ action: string }> }): Promise<Response> {
  const { action } = await context.params;
  return (await actions[action]?.(request)) ?? new Response(null, { status: 404 });
}
