import { CLIENT_PATHS } from './client-operations';
import * as clientSchemas from './client-schemas';
import * as errorSchemas from './error-schemas';
import { BACKEND_EVENTS, cloudEvent } from './event-schemas';
import { componentSchemas, withIds, type Exactness, type JsonSchema } from './json-schemas';
import * as managementSchemas from './management-schemas';
import { ref } from './operations';
import * as publishSchemas from './publish-schemas';
import { SERVER_PATHS } from './server-operations';
import * as texts from './texts';

const capital = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1);

/** `ConnectionEvent`, … */
const EVENT_SCHEMAS = Object.fromEntries(
  Object.entries(BACKEND_EVENTS).map(([dataType, schema]) => [`${capital(dataType)}Event`, schema]),
);

const webhookHeaders = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => ({
  name,
  in: 'header',
  required: true,
  schema: { type: 'string' },
}));

/** One for each kind of backend event (Standard Webhooks). */
function webhooks(): Record<string, JsonSchema> {
  return Object.fromEntries(
    Object.entries(BACKEND_EVENTS).map(([dataType, { shape }]) => [
      dataType,
      {
        post: {
          operationId: `on${capital(dataType)}`,
          summary: shape.type.options.join(', '),
          tags: ['webhooks'],
          security: [],
          parameters: webhookHeaders,
          requestBody: {
            required: true,
            content: {
              'application/json': { schema: ref(`${capital(dataType)}Event`) },
              'application/cloudevents+json': { schema: ref('CloudEvent') },
            },
          },
          responses: {
            '2XX': { description: 'Taken.' },
            default: { description: 'Sent again later.' },
          },
        },
      },
    ]),
  );
}

const SECURITY_SCHEMES = {
  apiKey: { type: 'http', scheme: 'bearer', description: 'An API key of the installation.' },
  adminToken: { type: 'http', scheme: 'bearer', description: 'HEARTH_ADMIN_TOKEN.' },
  awsSignature: {
    type: 'apiKey',
    in: 'header',
    name: 'Authorization',
    description: 'AWS Signature Version 4, service lambda, with an access key of HEARTH_AWS_ACCESS_KEYS.',
  },
  connectionId: { type: 'apiKey', in: 'query', name: 'connectionId', description: 'Of hotsock.connected.' },
  connectionSecret: { type: 'apiKey', in: 'query', name: 'connectionSecret', description: 'Of hotsock.connected.' },
};

/**
 * The HTTP API as OpenAPI 3.1.
 *
 * @param url where it is served
 */
export function openApiDocument(version: string, url: string, exactness: Exactness = 'served'): JsonSchema {
  const named = withIds(texts, publishSchemas, managementSchemas, clientSchemas, errorSchemas);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Hearth',
      version,
      summary: 'HTTP API of a realtime service that speaks the Hotsock protocol',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url }],
    tags: ['publish', 'channels', 'management', 'client', 'webhooks'].map((name) => ({ name })),
    paths: { ...SERVER_PATHS, ...CLIENT_PATHS },
    webhooks: webhooks(),
    components: {
      schemas: componentSchemas({ ...named, ...EVENT_SCHEMAS, CloudEvent: cloudEvent }, exactness, 'draft-2020-12'),
      securitySchemes: SECURITY_SCHEMES,
    },
  };
}
