import { createServer, Server } from 'node:http';

/** A message as a backend posts it. */
export interface PublishedMessage {
  readonly channel: string;
  readonly event: string;
  readonly data: unknown;
}

/**
 * The HTTP side both do-it-yourself servers share: `POST /publish` with one message and `POST /publish/batch` with an
 * array, both with the API key. Anything else answers 200, which is how the bench sees that the server is up.
 */
export function publishEndpoint(apiKey: string, publish: (message: PublishedMessage) => void): Server {
  const authorization = `Bearer ${apiKey}`;

  function publishAll(body: string): void {
    const parsed = JSON.parse(body) as PublishedMessage | PublishedMessage[];
    for (const message of Array.isArray(parsed) ? parsed : [parsed]) publish(message);
  }

  return createServer((request, response) => {
    if (request.method !== 'POST') {
      response.end('ok');
      return;
    }
    if (request.headers.authorization !== authorization) {
      response.writeHead(401).end();
      return;
    }
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      try {
        publishAll(Buffer.concat(parts).toString());
        response.writeHead(202, { 'content-type': 'application/json', 'content-length': 2 }).end('{}');
      } catch (error) {
        response.writeHead(400).end(String(error));
      }
    });
  });
}
