import { asyncApiDocument, openApiDocument, type JsonSchema } from '@hearth/api-documents';
import { Ajv, type ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020';

/**
 * Compares what servers say with what is written down of it: every answer of the HTTP APIs and every frame that comes to
 * the tests' clients. Here the documents are exact: a member that they do not have is a difference, too. What differs is
 * kept, and a spec file with differences fails (`api-checks.setup.ts`).
 */

const openapi = openApiDocument('0.0.0', 'http://localhost', 'exact') as unknown as OpenApi;
const asyncapi = asyncApiDocument('0.0.0', 'ws://localhost/v1', 'exact') as unknown as AsyncApi;

interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> };
}

interface Operation {
  readonly responses: Readonly<Record<string, { readonly content?: { 'application/json': { schema: JsonSchema } } }>>;
}

interface AsyncApi {
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> };
}

const differences: string[] = [];

/** What did not agree since the last call. */
export function takeDifferences(): string[] {
  return differences.splice(0);
}

const answers = new Ajv2020({ strict: false }).addSchema({ $id: 'openapi', components: openapi.components });
const frames = new Ajv({ strict: false }).addSchema({ $id: 'asyncapi', components: asyncapi.components });
const compiled = new Map<string, ValidateFunction>();

/** References of the documents are to themselves; Ajv knows them by name. */
function within(id: string, schema: unknown): object {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/components', `"${id}#/components`)) as object;
}

function validator(ajv: Ajv | Ajv2020, id: string, key: string, schema: unknown): ValidateFunction {
  let made = compiled.get(key);
  if (made === undefined) {
    made = ajv.compile(within(id, schema));
    compiled.set(key, made);
  }
  return made;
}

const routes = Object.entries(openapi.paths).map(([path, operations]) => ({
  path,
  operations,
  shape: new RegExp(`^${path.replace(/\{[^}]+\}/g, '[^/]+')}$`),
  parameters: path.split('{').length,
}));
// `/publish/batch` before `/publish/{x}`.
routes.sort((one, other) => one.parameters - other.parameters);

/** Compares an answer with its operation; what is no operation of the documents is not looked at. */
export function checkAnswer(
  method: string,
  url: string,
  answer: { readonly status: number; readonly text: string },
): void {
  const path = new URL(url).pathname.replace(/\/{2,}/g, '/');
  const route = routes.find(({ shape }) => shape.test(path));
  const operation = route?.operations[method.toLowerCase()];
  if (route === undefined || operation === undefined) return;
  const what = `${method} ${route.path} ${answer.status}`;
  const response = operation.responses[String(answer.status)];
  if (response === undefined) return differ(`${what} is not written down`, answer.text);
  const schema = response.content?.['application/json'].schema;
  if (schema !== undefined) check(validator(answers, 'openapi', what, schema), what, parsed(answer.text));
  else if (answer.text !== '') differ(`${what} has no body`, answer.text);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Compares a frame that a client got with the one of its `event`. */
export function checkFrame(frame: { readonly event?: unknown }): void {
  const { event } = frame;
  const name = typeof event === 'string' && event.startsWith('hotsock.') ? event.slice('hotsock.'.length) : 'message';
  const schema = asyncapi.components.schemas[name];
  if (schema === undefined) return differ(`no frame ${name} is written down`, frame);
  check(validator(frames, 'asyncapi', `frame ${name}`, schema), `frame ${name}`, frame);
}

/** Compares a backend event, as the stream or a webhook brought it. */
export function checkEvent(event: { readonly dataType?: string; readonly specversion?: string }): void {
  const dataType = event.specversion === undefined ? event.dataType : 'cloud';
  const schema = asyncapi.components.schemas[`${dataType}Event`];
  if (schema === undefined) return differ(`no event ${dataType} is written down`, event);
  check(validator(frames, 'asyncapi', `event ${dataType}`, schema), `event ${dataType}`, event);
}

function check(validate: ValidateFunction, what: string, value: unknown): void {
  if (validate(value)) return;
  const [error] = validate.errors ?? [];
  differ(`${what}${error?.instancePath} ${error?.message} ${JSON.stringify(error?.params)}`, value);
}

/** The first ones are enough to find out. */
function differ(what: string, value: unknown): void {
  if (differences.length < 20) differences.push(`${what}: ${JSON.stringify(value).slice(0, 300)}`);
}
