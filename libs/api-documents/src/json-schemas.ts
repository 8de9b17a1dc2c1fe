import { z } from 'zod';

export type JsonSchema = Readonly<Record<string, unknown>>;

/** `served`: readers must put up with new members. `exact`: a member that is not written down is a mistake. */
export type Exactness = 'served' | 'exact';

/** Draft 2020-12 for OpenAPI 3.1, draft 7 for AsyncAPI. */
export type Target = 'draft-2020-12' | 'draft-7';

/**
 * A set of named schemas that may refer to each other.
 *
 * @returns each as JSON Schema, with references to `#/components/schemas/NAME`
 */
export function componentSchemas(
  named: Readonly<Record<string, z.ZodType>>,
  exactness: Exactness,
  target: Target,
): Record<string, JsonSchema> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(named)) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, {
    target,
    // Objects of requests say themselves whether they take other members.
    io: exactness === 'exact' ? 'output' : 'input',
    unrepresentable: 'any',
    uri: (id) => `#/components/schemas/${id}`,
  });
  // What has an id of its own must be named, or nobody could refer to it.
  if ('__shared' in schemas) throw new Error(`not named: ${JSON.stringify(schemas.__shared).slice(0, 200)}`);
  return Object.fromEntries(
    Object.entries(schemas).map(([id, schema]) => {
      const { $schema: _, $id: __, ...rest } = schema as JsonSchema;
      return [id, rest];
    }),
  );
}

/** The schemas of a module by the ids that they have, those they consist of included. */
export function withIds(...modules: readonly object[]): Record<string, z.ZodType> {
  const members = modules.flatMap((module): unknown[] => Object.values(module));
  const all = members.filter((value) => value instanceof z.ZodType);
  return Object.fromEntries(
    all.flatMap((schema) => {
      const { id } = z.globalRegistry.get(schema) ?? {};
      return id === undefined ? [] : [[id, schema]];
    }),
  );
}
