import { readFileSync } from 'node:fs';
import { VARIABLES, type VariableKey, type VariableValues } from './config-variables';
import type { Variable } from './variable';

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the given variables from the environment or from the file that `X_FILE` names. All of them are read even if
 * some are wrong, so that an operator sees every mistake at once.
 *
 * @returns the values, and one line for each that is wrong and therefore missing among them
 */
export function readVariables<K extends VariableKey>(
  env: Environment,
  keys: readonly K[],
): { values: Pick<VariableValues, K>; problems: string[] } {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const key of keys) {
    const variable: Variable = VARIABLES[key];
    try {
      values[key] = parse(variable, given(env, variable));
    } catch (error) {
      problems.push(`${variable.name}: ${(error as Error).message}`);
    }
  }
  return { values: values as Pick<VariableValues, K>, problems };
}

/** Name of the variable that holds the path of a file with the value of `variable`; undefined when there is none. */
function fileNameOf(variable: Variable): string | undefined {
  return variable.marks?.includes('no file') ? undefined : `${variable.name}_FILE`;
}

/** Whether the variable is set, directly or by its file. */
export function isGiven(env: Environment, variable: Variable): boolean {
  return textOf(env, variable) !== '' || pathOf(env, variable) !== '';
}

/** Paths of the files the given variables are read from at present. */
export function filesOf(env: Environment, keys: readonly VariableKey[]): readonly string[] {
  return keys.map((key) => pathOf(env, VARIABLES[key])).filter((path) => path !== '');
}

/** `HEARTH_*` names that mean nothing to us: most likely a typing mistake. */
export function unknownNames(env: Environment): readonly string[] {
  const all: readonly Variable[] = Object.values(VARIABLES);
  const known = new Set(all.flatMap((variable) => [variable.name, fileNameOf(variable)]));
  return Object.keys(env).filter((name) => name.startsWith('HEARTH_') && !known.has(name));
}

/** The text of the variable, trimmed, or undefined. A file wins over nothing: giving both is a mistake. */
function given(env: Environment, variable: Variable): string | undefined {
  const direct = textOf(env, variable);
  const fileName = fileNameOf(variable) ?? '';
  const path = pathOf(env, variable);
  if (direct !== '' && path !== '') throw new Error(`is set, and ${fileName} too; set one of them`);
  const value = path === '' ? direct : readText(path, fileName).trim();
  return value === '' ? undefined : value;
}

function textOf(env: Environment, variable: Variable): string {
  return env[variable.name]?.trim() ?? '';
}

function pathOf(env: Environment, variable: Variable): string {
  return env[fileNameOf(variable) ?? '']?.trim() ?? '';
}

function readText(path: string, fileName: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`the file ${JSON.stringify(path)} of ${fileName} cannot be read (${code ?? 'unknown error'})`);
  }
}

function parse(variable: Variable, value: string | undefined): unknown {
  const source = value ?? variable.default;
  if (source === undefined) return undefined;
  const result = variable.kind.schema.safeParse(source);
  if (result.success) return result.data;
  const shown = variable.marks?.includes('secret')
    ? 'something else (not shown)'
    : JSON.stringify(source.slice(0, 100));
  throw new Error(`must be ${variable.kind.allowed}, but is ${shown}`);
}
