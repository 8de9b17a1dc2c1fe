import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { VARIABLES, type VariableKey, type VariableValues } from './config-variables';
import type { ServiceName } from './variable';

type Values = Partial<VariableValues>;

/**
 * What is wrong with values that are right each by itself, or that name files with a wrong content: one line each.
 * Values that are wrong themselves are missing here and have been reported.
 */
export function inconsistencies(values: Values, service: ServiceName): string[] {
  return [...tlsProblems(values), ...credentialProblems(values), ...portProblems(values, service)];
}

function tlsProblems({ tlsCertFile, tlsKeyFile }: Values): string[] {
  const cert = contentOf(tlsCertFile);
  const key = contentOf(tlsKeyFile);
  const problems = [
    ...(cert === undefined || isAccepted({ cert })
      ? []
      : [problem('tlsCertFile', 'must hold a PEM certificate chain')]),
    ...(key === undefined || isAccepted({ key }) ? [] : [problem('tlsKeyFile', KEY_PROBLEM)]),
  ];
  if (problems.length > 0 || cert === undefined || key === undefined || isAccepted({ cert, key })) return problems;
  return [problem('tlsKeyFile', `is not the key of the certificate in ${VARIABLES.tlsCertFile.name}`)];
}

const KEY_PROBLEM = 'must hold a PEM private key, without a passphrase';

function isAccepted(options: SecureContextOptions): boolean {
  try {
    createSecureContext(options);
    return true;
  } catch {
    return false;
  }
}

/** A user JWT and its seed, each between two lines of dashes. Whether they are good, the server says. */
const CREDENTIALS = /--\s+[\w-]+\.[\w-]+\.[\w-]+\s+--[^]*--\s+SU[A-Z2-7]{56}\s+--/;

function credentialProblems({ natsCredsFile }: Values): string[] {
  const content = contentOf(natsCredsFile)?.toString();
  if (content === undefined || CREDENTIALS.test(content)) return [];
  return [problem('natsCredsFile', 'must hold NATS credentials: a user JWT and its seed')];
}

/** Two listeners of one process need two ports, unless each has an address of its own. */
function portProblems({ port, host, adminPort, adminHost }: Values, service: ServiceName): string[] {
  const listens = service === 'hearth' || VARIABLES.port.services.includes(service);
  if (!listens || port === undefined || port === 0 || port !== adminPort) return [];
  const everywhere = [host, adminHost].some((one) => one === '0.0.0.0' || one === '::');
  if (host !== adminHost && !everywhere) return [];
  return [problem('adminPort', `must not be ${adminPort}, which is ${VARIABLES.port.name}`)];
}

function contentOf(path: string | undefined): Buffer | undefined {
  return path === undefined ? undefined : readFileSync(path);
}

function problem(key: VariableKey, what: string): string {
  return `${VARIABLES[key].name}: ${what}`;
}
