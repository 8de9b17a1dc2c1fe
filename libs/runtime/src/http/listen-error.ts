import { VARIABLES } from '@hearth/config';

interface Listener {
  readonly host: string;
  readonly port: number;
}

/** Codes of `listen` that are about the port; all others are about the address. */
const ABOUT_THE_PORT = new Map([
  ['EADDRINUSE', 'is in use already'],
  ['EACCES', 'may not be used by this user'],
]);

/** The error of a listener that cannot listen, as one that names the variable to change. */
export function listenError(error: unknown, { host, port }: Listener, which: 'public' | 'admin'): Error {
  const { code = 'unknown error' } = error as NodeJS.ErrnoException;
  const [hostKey, portKey] = which === 'public' ? (['host', 'port'] as const) : (['adminHost', 'adminPort'] as const);
  const problem = ABOUT_THE_PORT.get(code);
  const message =
    problem === undefined
      ? `${VARIABLES[hostKey].name}: cannot listen on ${JSON.stringify(host)} (${code})`
      : `${VARIABLES[portKey].name}: port ${port} of ${host} ${problem} (${code})`;
  return new Error(message, { cause: error });
}
