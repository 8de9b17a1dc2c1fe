import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

/** What tests look at in one service of `docker-compose.yml`, every `${…}` in it replaced. */
export interface ComposeService {
  readonly image: string;
  readonly build?: string;
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly networks?: readonly string[] | Readonly<Record<string, { readonly ipv4_address?: string }>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly stop_grace_period?: string;
  readonly read_only?: boolean;
  readonly restart?: string;
  readonly mem_limit?: string;
  readonly pids_limit?: number;
  readonly cpu_shares?: number;
}

export interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean } | null>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

export type Variables = Readonly<Record<string, string | undefined>>;

export const projectFolder = join(__dirname, '../..');

/**
 * `docker-compose.yml`, and what further files change about it, as compose would understand them with these variables.
 *
 * @throws Error as compose would refuse
 */
export function readComposeFile(variables: Variables, ...overrides: readonly string[]): ComposeFile {
  const files = ['docker-compose.yml', ...overrides].map((name) => parseFile(name, variables));
  return files.reduce((merged, file) => merge(merged, file)) as unknown as ComposeFile;
}

type Mapping = Readonly<Record<string, unknown>>;

function parseFile(name: string, variables: Variables): Mapping {
  const text = readFileSync(join(projectFolder, name), 'utf8');
  const file = interpolateAll(parse(text, { merge: true }), variables) as Mapping;
  const services = Object.entries(file.services as Record<string, Mapping>).map(([service, own]) => {
    if (own.extends === undefined) return [service, own];
    const from = own.extends as { readonly file: string; readonly service: string };
    const base = (parseFile(from.file, variables).services as Record<string, Mapping>)[from.service] ?? {};
    return [service, merge(base, { ...own, extends: undefined })];
  });
  return { ...file, services: Object.fromEntries(services) as unknown };
}

/** Compose's rules: mappings are merged, commands replaced, volumes replaced by where they are mounted, other lists joined. */
function merge(base: Mapping, change: Mapping): Mapping {
  const merged = Object.entries(change).map(([name, value]) => {
    const before = base[name];
    if (Array.isArray(before) && Array.isArray(value)) return [name, mergeLists(name, before, value)];
    const areMappings = [before, value].every((one) => typeof one === 'object' && one !== null && !Array.isArray(one));
    return [name, areMappings ? merge(before as Mapping, value as Mapping) : (value ?? before)];
  });
  return { ...base, ...(Object.fromEntries(merged) as Mapping) };
}

function mergeLists(name: string, before: readonly unknown[], change: readonly unknown[]): readonly unknown[] {
  if (name === 'command' || name === 'entrypoint') return change;
  const keyOf = (one: unknown): unknown => (name === 'volumes' ? String(one).split(':')[1] : one);
  const changed = new Set(change.map(keyOf));
  return [...before.filter((one) => !changed.has(keyOf(one))), ...change];
}

/** A settings file in the form of `.env.example`. */
export function parseEnvFile(text: string): Record<string, string> {
  const lines = text.split('\n').filter((line) => /^\w+=/.test(line));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

function interpolateAll(node: unknown, variables: Variables): unknown {
  if (typeof node === 'string') return interpolate(node, variables);
  if (Array.isArray(node)) return node.map((item) => interpolateAll(item, variables));
  if (typeof node !== 'object' || node === null) return node;
  return Object.fromEntries(Object.entries(node).map(([name, value]) => [name, interpolateAll(value, variables)]));
}

/** Compose's substitution: `${NAME}`, and with `:-` a default, with `:?` a demand, with `:+` a replacement; `$$` is `$`. */
export function interpolate(text: string, variables: Variables): string {
  let result = '';
  for (let at = 0; at < text.length;) {
    if (text.startsWith('$$', at)) {
      result += '$';
      at += 2;
    } else if (text.startsWith('${', at)) {
      const end = closingBrace(text, at + 2);
      result += substitute(text.slice(at + 2, end), variables);
      at = end + 1;
    } else {
      result += text[at++];
    }
  }
  return result;
}

function substitute(expression: string, variables: Variables): string {
  const match = /^([A-Za-z_]\w*)(?::([-?+])(.*))?$/s.exec(expression);
  if (match === null) throw new Error(`substitution that this test does not know: \${${expression}}`);
  const [, name = '', operator, rest = ''] = match;
  const value = variables[name] ?? '';
  if (operator === '+') return value === '' ? '' : interpolate(rest, variables);
  if (value !== '') return value;
  if (operator === '?') throw new Error(`required variable ${name} is missing a value: ${rest}`);
  return operator === '-' ? interpolate(rest, variables) : '';
}

function closingBrace(text: string, from: number): number {
  let depth = 1;
  for (let at = from; at < text.length; at++) {
    if (text.startsWith('${', at)) depth++;
    if (text[at] === '}' && --depth === 0) return at;
  }
  throw new Error(`no closing brace in ${text}`);
}
