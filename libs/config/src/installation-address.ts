import { VARIABLES, type VariableKey } from './config-variables';
import { type Environment, isGiven } from './environment';

/** Where an installation answers. */
export interface InstallationAddress {
  readonly httpApiUrl: string;
  readonly webSocketUrl: string;
  /** 0: the system chose one that is not known. */
  readonly adminPort: number;
}

const PLACES: readonly VariableKey[] = ['host', 'port', 'publicHttpUrl', 'publicWsUrl'];

/**
 * Adds what the environment leaves open from the address that a start has written down. Whoever says one thing of where the
 * installation is means another one.
 */
export function withInstallationAddress(env: Environment, address: InstallationAddress | undefined): Environment {
  if (address === undefined) return env;
  const isOpen = (key: VariableKey): boolean => !isGiven(env, VARIABLES[key]);
  return {
    ...env,
    ...(PLACES.every(isOpen) && {
      HEARTH_PUBLIC_HTTP_URL: address.httpApiUrl,
      HEARTH_PUBLIC_WS_URL: address.webSocketUrl,
    }),
    ...(isOpen('adminPort') && address.adminPort !== 0 && { HEARTH_ADMIN_PORT: String(address.adminPort) }),
  };
}
