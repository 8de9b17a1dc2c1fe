export { asyncApiDocument } from './asyncapi';
export { openApiDocument } from './openapi';
export type { Exactness, JsonSchema } from './json-schemas';
export * as managementSchemas from './management-schemas';
export * as publishSchemas from './publish-schemas';
export { BACKEND_EVENTS } from './event-schemas';
